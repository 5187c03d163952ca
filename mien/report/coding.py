"""Action units by their names in the Facial Action Coding System: which come with which expression, and together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

from mien.report.faces import Face
from mien.results import ACTION_UNITS
from mien.statistics import lift
from mien.tables import EXPRESSIONS

NAMES = dict(
    zip(
        ACTION_UNITS,
        (
            "inner brow raiser", "outer brow raiser", "brow lowerer", "upper lid raiser", "cheek raiser",
            "lid tightener", "nose wrinkler", "upper lip raiser", "lip corner puller", "dimpler",
            "lip corner depressor", "chin raiser", "lip stretcher", "lip tightener", "lips part", "jaw drop", "blink",
        ),
        strict=True,
    )
)  # fmt: skip
PRESENT = 0.5
_FEWEST = 5  # faces that show both: below it a lift is chance
_MOST = 10


@dataclass(frozen=True, slots=True)
class Unit:
    """A unit among the faces that show one expression: mean intensity and share of faces at `PRESENT` or more."""

    name: str
    expression: str
    mean: float
    share: float
    n: int


@dataclass(frozen=True, slots=True)
class Pair:
    """Two units that are present together in `both` of `n` faces; `expected` if they knew nothing of each other."""

    one: str
    other: str
    both: int
    expected: float
    lift: float
    n: int


def units(faces: Sequence[Face]) -> tuple[Unit, ...]:
    """Every unit with every expression that any face shows whose units were read."""
    found = []
    for expression in EXPRESSIONS:
        read = [face.units for face in faces if face.units is not None and face.expression == expression]
        for name, values in zip(ACTION_UNITS, zip(*read, strict=True), strict=False):
            n = len(values)
            found.append(Unit(name, expression, sum(values) / n, sum(v >= PRESENT for v in values) / n, n))
    return tuple(found)


def pairs(faces: Sequence[Face]) -> tuple[Pair, ...]:
    """The pairs of the highest lift, of those that at least five faces show together."""
    read = [face.units for face in faces if face.units is not None]
    present = {
        name: {row for row, values in enumerate(read) if values[place] >= PRESENT}
        for place, name in enumerate(ACTION_UNITS)
    }
    found = []
    for one, other in combinations(ACTION_UNITS, 2):
        both, alone = len(present[one] & present[other]), (len(present[one]), len(present[other]))
        if both >= _FEWEST:
            n = len(read)
            found.append(Pair(one, other, both, alone[0] * alone[1] / n, lift(both, *alone, n), n))
    return tuple(sorted(found, key=lambda pair: -pair.lift)[:_MOST])

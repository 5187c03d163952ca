"""How far the answers agree with labels that a person gave: accuracy, what is taken for what, calibration."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from mien.report.faces import Members
from mien.statistics import Estimate, calibration_error, wilson
from mien.tables import EXPRESSIONS


@dataclass(frozen=True, slots=True)
class Agreement:
    """Of all faces (the first) or of a group's, those with a label.

    Attributes:
        confusion: `[label][answer]`, faces.
        calibration: expected calibration error in [0, 1], 15 bins.
    """

    group: str
    accuracy: Estimate
    confusion: tuple[tuple[int, ...], ...]
    calibration: float


def agreements(total: Members, groups: Sequence[Members]) -> tuple[Agreement, ...]:
    """All faces first, then each group that has labels; empty where nobody gave any."""
    return tuple(found for found in map(_agreement, (total, *groups)) if found is not None)


def _agreement(members: Members) -> Agreement | None:
    faces = [face for face in members.faces if face.label is not None]
    if not faces:
        return None
    hits = [face.label == face.expression for face in faces]
    confusion = [[0] * len(EXPRESSIONS) for _ in EXPRESSIONS]
    for face in faces:
        confusion[EXPRESSIONS.index(face.label or "")][EXPRESSIONS.index(face.expression)] += 1
    return Agreement(
        members.name,
        wilson(sum(hits), len(hits)),
        tuple(map(tuple, confusion)),
        calibration_error([face.confidence for face in faces], hits),
    )

"""Every figure of a report, from the groups' faces."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from mien.report import agreement, coding
from mien.report.agreement import Agreement
from mien.report.coding import Pair, Unit
from mien.report.faces import Face, Members
from mien.statistics import Estimate, clustered_means, newcombe, shared_level, wilson
from mien.tables import EXPRESSIONS


@dataclass(frozen=True, slots=True)
class Group:
    """A group's figures; `shares` and `means` are in Mien's order of expressions, and empty where there is no face.

    Attributes:
        shares: of the faces, by the expression each shows most, with Wilson's interval.
        means: of the probabilities, with the bootstrap interval by image.
        confidence: the mean probability of the expression shown most; None without faces.
    """

    name: str
    images: int
    empty: int
    failed: int
    faces: int
    shares: tuple[Estimate, ...]
    means: tuple[Estimate, ...]
    confidence: float | None


@dataclass(frozen=True, slots=True)
class Difference:
    """How much more often a group shows an expression than all other groups together.

    Attributes:
        together: whether the interval excludes zero even at the level at which all intervals of the study hold.
    """

    group: str
    expression: str
    here: float
    rest: float
    estimate: Estimate
    together: bool


@dataclass(frozen=True, slots=True)
class Failure:
    """The images that failed for one reason, and the first of them."""

    code: str
    images: int
    example: str
    detail: str


@dataclass(frozen=True, slots=True)
class Study:
    """`by`: what the groups are called; None: all is one group."""

    by: str | None
    total: Group
    groups: tuple[Group, ...]
    differences: tuple[Difference, ...]
    comparisons: int
    units: tuple[Unit, ...]
    pairs: tuple[Pair, ...]
    agreement: tuple[Agreement, ...]
    failures: tuple[Failure, ...]
    models: tuple[str, ...]
    shared_images: int
    unmatched: int


def study(by: str | None, total: Members, members: Sequence[Members], unmatched: int = 0) -> Study:
    """Measure the groups, and `total`, all rows.

    Raises:
        ValueError: a group mixes the answers of different models.
    """
    for each in (*members, *([] if by == "model" else [total])):
        if len(each.models) > 1:
            raise ValueError(
                f"the results are of different models ({', '.join(sorted(each.models))}), whose probabilities do not "
                "mean the same: report each alone, or compare them with --by model"
            )
    seen = Counter(image for each in members for image in each.images)
    differences, comparisons = _differences(members)
    return Study(
        by,
        _group(total),
        tuple(_group(each) for each in members),
        differences,
        comparisons,
        coding.units(total.faces),
        coding.pairs(total.faces),
        agreement.agreements(total, members),
        tuple(Failure(code, len(images), *images[0]) for code, images in sorted(total.failures.items())),
        tuple(sorted(total.models)),
        sum(times > 1 for times in seen.values()),
        unmatched,
    )


def _group(members: Members) -> Group:
    faces = members.faces
    counts, n = Counter(face.expression for face in faces), len(faces)
    return Group(
        members.name,
        len(members.images),
        len(members.empty),
        sum(map(len, members.failures.values())),
        n,
        tuple(wilson(counts[name], n) for name in EXPRESSIONS) if n else (),
        _means(faces) if n else (),
        sum(face.confidence for face in faces) / n if n else None,
    )


def _means(faces: Sequence[Face]) -> tuple[Estimate, ...]:
    places: dict[str, int] = {}
    counts: list[int] = []
    sums: list[list[float]] = [[] for _ in EXPRESSIONS]
    for face in faces:
        if (place := places.setdefault(face.image, len(counts))) == len(counts):
            counts.append(0)
            for column in sums:
                column.append(0.0)
        counts[place] += 1
        for column, probability in zip(sums, face.probabilities, strict=True):
            column[place] += probability
    return tuple(clustered_means(sums, counts))


def _differences(members: Sequence[Members]) -> tuple[tuple[Difference, ...], int]:
    """Each group against the rest; of two groups the first, as the second's differences are the same turned round."""
    counts = {each.name: Counter(face.expression for face in each.faces) for each in members if each.faces}
    if len(counts) < 2:
        return (), 0
    whole = sum(counts.values(), Counter[str]())
    compared = list(counts)[: 1 if len(counts) == 2 else None]
    comparisons = len(compared) * len(EXPRESSIONS)
    found = []
    for name in compared:
        n, rest_n = counts[name].total(), whole.total() - counts[name].total()
        for expression in EXPRESSIONS:
            hits = counts[name][expression]
            tallies = hits, n, whole[expression] - hits, rest_n
            together = newcombe(*tallies, shared_level(comparisons)).excludes_zero
            estimate = newcombe(*tallies)
            found.append(Difference(name, expression, hits / n, tallies[2] / rest_n, estimate, together))
    return tuple(found), comparisons

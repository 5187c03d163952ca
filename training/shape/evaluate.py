"""A landmarker scored on a rendered corpus whose identities it has never seen, picture by picture, as it is served."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from rich.progress import track

from training.clay.corpus import ACTION_UNITS, Corpus, size_names
from training.shape import scores
from training.shape.crops import nominal
from training.shape.frame import Function
from training.shape.settings import Shape
from training.shape.squares import Square, cut, to_picture

FRONTAL_DEG = 30.0
LIMIT = 0.08  # of the cumulative error curve
_BATCH = 32


@dataclass(frozen=True, slots=True)
class Answers:
    """What was found in n pictures, and what is true: landmarks `[n, 68, 2]` in pixels, units `[n, 17]`, quality
    `[n]`."""

    rows: NDArray[np.intp]
    landmarks: NDArray[np.float32]
    true_landmarks: NDArray[np.float32]
    units: NDArray[np.float32]
    true_units: NDArray[np.float32]
    quality: NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Landmarks:
    """`error`, `parts`: mean error over the outer eye corners' distance, heads within ±30° yaw; `interval`: its 95 %
    by identity; `area`: under the cumulative curve up to 8 %; `box_error`: over √(box area), heads of any pose."""

    heads: int
    frontal: int
    error: float
    interval: tuple[float, float]
    median: float
    area: float
    failures: float
    box_error: float
    parts: dict[str, float]


@dataclass(frozen=True, slots=True)
class Unit:
    """One action unit: Pearson's r with its 95 % interval by identity, mean absolute error, ICC(3,1)."""

    correlation: float
    interval: tuple[float, float]
    error: float
    agreement: float


@dataclass(frozen=True, slots=True)
class Evaluation:
    """`displaced_error`: the landmarks' error when the squares are moved as in training. `groups`: for each material,
    light, yaw and size of the face: heads, landmark error over √(box area), mean correlation. `quality`: rank
    correlation of quality with the (negated) error."""

    landmarks: Landmarks
    displaced_error: float
    units: dict[str, Unit]
    correlation: float
    correlation_interval: tuple[float, float]
    quality: float
    groups: dict[str, dict[str, tuple[int, float, float]]]
    curve: list[tuple[float, float]]


def ask(
    model: Function, corpus: Corpus, rows: Sequence[int] | NDArray[np.intp], side_px: int, jitter: Shape | None = None
) -> Answers:
    """The model's answers about the heads in `rows`; with `jitter` their squares are displaced, the same each time."""
    random, parts = np.random.default_rng(0), []
    for start in track(range(0, len(rows), _BATCH), "heads"):
        batch = rows[start : start + _BATCH]
        squares = [nominal(corpus, int(row)) for row in batch]
        if jitter:
            squares = [displaced(square, jitter, random) for square in squares]
        crops = [cut(corpus.image(int(row)), square, side_px) for row, square in zip(batch, squares, strict=True)]
        found = model(np.stack(crops))
        points = [to_picture(one, square) for one, square in zip(found["landmarks"], squares, strict=True)]
        parts.append((np.stack(points), found["action_units"], found["quality"][:, 0]))
    landmarks, units, quality = (np.concatenate(column) for column in zip(*parts, strict=True))
    chosen = np.asarray(rows, np.intp)
    return Answers(chosen, landmarks, corpus.landmarks[chosen], units, corpus.action_units[chosen], quality)


def displaced(square: Square, jitter: Shape, random: np.random.Generator) -> Square:
    """Another square that a detector might have given."""
    x, y = random.uniform(-jitter.jitter_centre, jitter.jitter_centre, 2) * square.side
    size = math.exp(random.uniform(math.log(jitter.jitter_smaller), math.log(jitter.jitter_larger)))
    roll_deg = square.roll_deg + random.uniform(-jitter.jitter_roll_deg, jitter.jitter_roll_deg)
    moved = replace(square, centre_x=square.centre_x + float(x), centre_y=square.centre_y + float(y))
    return replace(moved, side=square.side * size, roll_deg=float(roll_deg))


def evaluate(corpus: Corpus, answers: Answers, displaced_answers: Answers) -> Evaluation:
    """Scores of `answers`, and the landmarks' error of the same pictures' displaced squares.

    Raises:
        ValueError: there is no head to score.
    """
    if not len(answers.rows):
        raise ValueError(f"{corpus.folder} has no head with landmarks to evaluate on: render more")
    rows, names = answers.rows, corpus.identity[answers.rows]
    eye = scores.eye_error(answers.landmarks, answers.true_landmarks)
    by_box = box_error(corpus, answers)
    yaw = np.abs(corpus.pose[rows, 0])
    frontal = yaw <= FRONTAL_DEG
    moved = scores.eye_error(displaced_answers.landmarks, displaced_answers.true_landmarks)[frontal]
    each = scores.correlations(answers.units, answers.true_units)
    agreement = scores.agreement(answers.units, answers.true_units)
    deviation = np.abs(answers.units - answers.true_units)

    def correlation(chosen: NDArray[np.intp], unit: slice = slice(None)) -> float:
        return scores.mean_known(scores.correlations(answers.units[chosen, unit], answers.true_units[chosen, unit]))

    units = {
        name: Unit(
            float(each[at]),
            scores.interval(names, lambda chosen, at=at: correlation(chosen, slice(at, at + 1))),  # type: ignore[misc]
            scores.mean_known(deviation[:, at]),
            float(agreement[at]),
        )
        for at, name in enumerate(ACTION_UNITS)
    }
    kinds = {"material": corpus.material[rows], "light": corpus.light[rows], "yaw": _yaw_names(yaw)}
    kinds["face, px"] = size_names(corpus.box[rows])
    groups = {
        kind: {
            str(name): (int((column == name).sum()), float(by_box[column == name].mean()),
                        correlation(np.flatnonzero(column == name)))
            for name in sorted(np.unique(column), key=_leading_number)
        }
        for kind, column in kinds.items()
    }  # fmt: skip
    return Evaluation(
        _landmarks(answers, eye, by_box, frontal, names),
        scores.mean_known(moved),
        units,
        scores.mean_known(each),
        scores.interval(names, correlation),
        _rank_correlation(answers.quality, -by_box),
        groups,
        [(float(x), float((eye[frontal] <= x).mean()) if frontal.any() else 0.0) for x in np.linspace(0, LIMIT, 33)],
    )


def box_error(corpus: Corpus, answers: Answers) -> NDArray[np.floating]:
    """Mean landmark error of each head over the square root of its box's area, `[n]`."""
    size = np.sqrt(corpus.box[answers.rows, 2] * corpus.box[answers.rows, 3])
    return scores.distances(answers.landmarks, answers.true_landmarks).mean(1) / size


def _landmarks(
    answers: Answers,
    eye: NDArray[np.floating],
    by_box: NDArray[np.floating],
    frontal: NDArray[np.bool_],
    names: NDArray[np.str_],
) -> Landmarks:
    front = eye[frontal]
    length = np.linalg.norm(answers.true_landmarks[:, 45] - answers.true_landmarks[:, 36], axis=1)
    each = scores.distances(answers.landmarks, answers.true_landmarks) / np.maximum(length, 1e-6)[:, None]
    return Landmarks(
        heads=len(eye),
        frontal=int(frontal.sum()),
        error=scores.mean_known(front),
        interval=scores.interval(names[frontal], lambda chosen: float(front[chosen].mean())) if len(front) else
        (math.nan, math.nan),
        median=float(np.median(front)) if len(front) else math.nan,
        area=scores.area_under(front, LIMIT),
        failures=float((front > LIMIT).mean()) if len(front) else math.nan,
        box_error=scores.mean_known(by_box),
        parts={name: scores.mean_known(each[frontal, part]) for name, part in scores.PARTS.items()},
    )  # fmt: skip


def _yaw_names(yaw_deg: NDArray[np.floating]) -> NDArray[np.str_]:
    return np.array(["0–15°", "15–30°", "30–45°", "45–60°", "over 60°"])[np.digitize(yaw_deg, (15, 30, 45, 60))]


def _leading_number(name: str) -> tuple[float, str]:
    """Bands in their order; names by the alphabet."""
    digits = re.match(r"\d+", name)
    return (float(digits[0]) if digits else math.inf, name)


def _rank_correlation(first: NDArray[np.floating], second: NDArray[np.floating]) -> float:
    """Spearman's."""
    ranks = [np.argsort(np.argsort(values)).astype(np.float64)[:, None] for values in (first, second)]
    return float(scores.correlations(*ranks)[0])

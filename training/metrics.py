"""Scores of probabilistic classification. K classes, n rows; every score in [0, 1] unless said."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class ClassScore:
    """One class: how many rows it has, precision, recall and F1 (None where there is nothing to divide by)."""

    support: int
    precision: float | None
    recall: float | None
    f1: float | None


def confusion(labels: NDArray[np.int64], predicted: NDArray[np.int64], classes: int) -> NDArray[np.int64]:
    """`[K, K]` counts, rows = true class, columns = predicted."""
    return np.bincount(labels * classes + predicted, minlength=classes * classes).reshape(classes, classes)


def class_scores(counts: NDArray[np.int64]) -> list[ClassScore]:
    """Per-class scores from a confusion matrix. A class without rows has no recall and no F1: never 1.0."""
    scores = []
    for index in range(len(counts)):
        hit, support, claimed = int(counts[index, index]), int(counts[index].sum()), int(counts[:, index].sum())
        scores.append(
            ClassScore(
                support,
                hit / claimed if claimed else None,
                hit / support if support else None,
                2 * hit / (support + claimed) if support else None,
            )
        )
    return scores


def macro(values: list[float | None]) -> float:
    """Mean over the classes that have a value."""
    known = [value for value in values if value is not None]
    return float(np.mean(known)) if known else 0.0


def reliability(
    labels: NDArray[np.int64], probabilities: NDArray[np.float32], bins: int = 15
) -> list[tuple[float, float, int]]:
    """(mean confidence, accuracy, count) of each non-empty equal-width bin of the top probability."""
    confidence, right = probabilities.max(1), probabilities.argmax(1) == labels
    bin_of = np.minimum((confidence * bins).astype(int), bins - 1)
    rows = [bin_of == index for index in range(bins)]
    return [(float(confidence[r].mean()), float(right[r].mean()), int(r.sum())) for r in rows if r.any()]


def calibration_error(labels: NDArray[np.int64], probabilities: NDArray[np.float32], bins: int = 15) -> float:
    """Expected calibration error (Guo et al., ICML 2017, eq. 3): mean |accuracy - confidence| over bins, by count."""
    return sum(abs(a - c) * n for c, a, n in reliability(labels, probabilities, bins)) / len(labels)


def wilson_interval(hits: int, total: int, z: float = 1.96) -> tuple[float, float]:
    """95 % Wilson score interval of a share; (0, 1) where nothing was counted."""
    if total == 0:
        return 0.0, 1.0
    share, denominator = hits / total, 1 + z * z / total
    centre = (share + z * z / (2 * total)) / denominator
    half = z * np.sqrt(share * (1 - share) / total + z * z / (4 * total * total)) / denominator
    return max(0.0, float(centre - half)), min(1.0, float(centre + half))


def bootstrap_interval(
    labels: NDArray[np.int64], predicted: NDArray[np.int64], classes: int, draws: int = 1000, seed: int = 0
) -> tuple[float, float]:
    """95 % bootstrap interval of macro-F1 over rows."""
    random = np.random.default_rng(seed)
    values = []
    for _ in range(draws):
        rows = random.integers(0, len(labels), len(labels))
        values.append(macro([s.f1 for s in class_scores(confusion(labels[rows], predicted[rows], classes))]))
    low, high = np.percentile(values, [2.5, 97.5])
    return float(low), float(high)

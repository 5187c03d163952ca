"""Intervals and scores for shares, differences and means: pure functions, each with its source."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist

import pyarrow as pa
import pyarrow.compute as pc

LEVEL = 0.95
RESAMPLES = 1000


@dataclass(frozen=True, slots=True)
class Estimate:
    """A value with its interval, from `n` faces or images."""

    value: float
    low: float
    high: float
    n: int

    @property
    def excludes_zero(self) -> bool:
        return self.low > 0 or self.high < 0


def wilson(hits: int, n: int, level: float = LEVEL) -> Estimate:
    """A share with its score interval (Wilson 1927, J. Am. Stat. Assoc. 22:209, without continuity correction).

    Args:
        hits: in [0, n].
        n: at least 1.

    Raises:
        ValueError: nothing was counted.
    """
    if not 0 <= hits <= n or n == 0:
        raise ValueError(f"{hits} of {n} is no share")
    z = _z(level)
    share, weight = hits / n, z * z / n
    centre = (share + weight / 2) / (1 + weight)
    half = z / (1 + weight) * math.sqrt(share * (1 - share) / n + weight / (4 * n))
    # at 0 and n the bound is the share itself, whatever is lost in rounding
    low, high = 0.0 if hits == 0 else centre - half, 1.0 if hits == n else centre + half
    return Estimate(share, low, high, n)


def newcombe(hits: int, n: int, rest_hits: int, rest_n: int, level: float = LEVEL) -> Estimate:
    """The difference of two independent shares, `hits ÷ n - rest_hits ÷ rest_n`, with its hybrid score interval.

    Newcombe 1998, Statistics in Medicine 17:873, method 10: Wilson's limits of each share, joined by squares.

    Raises:
        ValueError: one of the two counted nothing.
    """
    one, other = wilson(hits, n, level), wilson(rest_hits, rest_n, level)
    difference = one.value - other.value
    down = math.hypot(one.value - one.low, other.high - other.value)
    up = math.hypot(one.high - one.value, other.value - other.low)
    return Estimate(difference, difference - down, difference + up, n + rest_n)


def shared_level(comparisons: int, level: float = LEVEL) -> float:
    """The level at which each of many intervals must stand so that all hold together at `level` (Bonferroni)."""
    return 1 - (1 - level) / max(comparisons, 1)


def clustered_means(
    sums: Sequence[Sequence[float]],
    counts: Sequence[int],
    level: float = LEVEL,
    resamples: int = RESAMPLES,
) -> list[Estimate]:
    """Means over faces with percentile bootstrap intervals (Efron 1979, Ann. Statist. 7:1) that resample images.

    The faces of one image share its light, camera and occasion, so the image is what was drawn by chance (the cluster
    bootstrap, Davison & Hinkley 1997, section 3.8). The seeds are fixed: the same table gives the same interval.
    One image alone says nothing of others: its limits are NaN.

    Args:
        sums: `[columns][images]`, each column's sum over the faces of an image.
        counts: `[images]`, the faces of each image, at least 1.

    Raises:
        ValueError: there is no image.
    """
    images, faces = len(counts), sum(counts)
    if not images:
        raise ValueError("no image has a face")
    weights, columns = pa.array(counts, pa.int64()), [pa.array(column, pa.float64()) for column in sums]
    drawn: list[list[float]] = [[] for _ in columns]
    for seed in range(resamples if images > 1 else 0):
        chosen = pc.cast(pc.floor(pc.multiply(pc.random(images, initializer=seed), images)), pa.int64())
        total = pc.sum(pc.take(weights, chosen)).as_py()
        for means, column in zip(drawn, columns, strict=True):
            means.append(pc.sum(pc.take(column, chosen)).as_py() / total)
    tail = (1 - level) / 2
    return [
        Estimate(math.fsum(column) / faces, _quantile(means, tail), _quantile(means, 1 - tail), faces)
        for column, means in zip(sums, drawn, strict=True)
    ]


def calibration_error(confidences: Sequence[float], hits: Sequence[bool], bins: int = 15) -> float:
    """The expected calibration error: |accuracy - mean confidence| over bins of equal width, weighted by their faces.

    Naeini, Cooper & Hauskrecht 2015, AAAI; Guo et al. 2017, ICML, with 15 bins.
    """
    inside: list[list[tuple[float, bool]]] = [[] for _ in range(bins)]
    for confidence, hit in zip(confidences, hits, strict=True):
        inside[min(int(confidence * bins), bins - 1)].append((confidence, hit))
    gaps = (abs(sum(confidence - hit for confidence, hit in each)) for each in inside)
    return sum(gaps) / max(len(confidences), 1)


def lift(both: int, one: int, other: int, n: int) -> float:
    """How many times more often two things occur together than if they knew nothing of each other: 1 is chance.

    Brin, Motwani, Ullman & Tsur 1997, SIGMOD (there called interest).
    """
    return both * n / (one * other)


def _z(level: float) -> float:
    return NormalDist().inv_cdf((1 + level) / 2)


def _quantile(values: Sequence[float], share: float) -> float:
    """Linear between the two nearest of the sorted values; NaN where there are none."""
    if not values:
        return math.nan
    ordered, place = sorted(values), share * (len(values) - 1)
    below = math.floor(place)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (place - below) * (ordered[above] - ordered[below])

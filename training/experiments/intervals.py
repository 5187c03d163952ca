"""Scores with intervals, and tests of counts: pure functions of confusion counts, each with its source.

A cluster is what was drawn by chance: a head with all of its pictures, or a single face. A bootstrap draws clusters
with replacement (Davison & Hinkley 1997, section 3.8); counts are summed by cluster first, so a draw is one product.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from training.data.faces import EXPRESSIONS
from training.metrics import wilson_interval

K = len(EXPRESSIONS)
Counts = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Interval:
    """A value with its 95 % interval."""

    value: float
    low: float
    high: float

    @property
    def above_zero(self) -> bool:
        return self.low > 0

    @property
    def below_zero(self) -> bool:
        return self.high < 0


@dataclass(frozen=True, slots=True)
class Scores:
    """One classifier on `rows` faces. `micro`: share of faces that are right (accuracy); `macro`: mean recall over the
    expressions that have faces; `macro_f1`: the mean of their F1. `recalls` and `supports` are by expression; a recall
    is None where there is no face: never 1. `confusion`: counts, rows true, columns said."""

    rows: int
    clusters: int
    micro: Interval
    macro: Interval
    macro_f1: float
    recalls: list[float | None]
    supports: list[int]
    confusion: list[list[int]]


def scores(
    labels: NDArray[np.int64], said: NDArray[np.int64], clusters: NDArray[np.str_], draws: int, seed: int
) -> Scores:
    """Score `[n]` answers.

    Raises:
        ValueError: no face.
    """
    if not len(labels):
        raise ValueError("there are no faces to score")
    each, weights = _by_cluster(labels, said, clusters), _weights(len(np.unique(clusters)), draws, seed)
    whole, drawn = each.sum(0), (weights @ each.reshape(len(each), -1)).reshape(-1, K, K)
    supports = whole.sum(1)
    hits = whole.diagonal()
    claimed = whole.sum(0)
    known = supports > 0
    return Scores(
        rows=len(labels),
        clusters=len(each),
        micro=_share(micro(whole), micro(drawn), len(each)),
        macro=_share(macro(whole), macro(drawn), len(each)),
        macro_f1=float((2 * hits[known] / (supports + claimed)[known]).mean()),
        recalls=[float(h / s) if s else None for h, s in zip(hits, supports, strict=True)],
        supports=supports.astype(int).tolist(),
        confusion=whole.astype(int).tolist(),
    )


def difference(
    labels: NDArray[np.int64],
    one: NDArray[np.int64],
    other: NDArray[np.int64],
    clusters: NDArray[np.str_],
    draws: int,
    seed: int,
) -> Interval:
    """Mean recall of `one` minus that of `other` on the same faces, drawn together (paired)."""
    weights = _weights(len(np.unique(clusters)), draws, seed)
    value, drawn = 0.0, np.zeros(draws)
    for said, sign in ((one, 1), (other, -1)):
        each = _by_cluster(labels, said, clusters)
        value += sign * float(macro(each.sum(0)))
        drawn += sign * macro((weights @ each.reshape(len(each), -1)).reshape(-1, K, K))
    if weights.shape[1] == 1:
        return Interval(value, -1.0, 1.0)
    low, high = np.percentile(drawn, (2.5, 97.5))
    return Interval(value, float(low), float(high))


def micro(counts: Counts) -> Counts:
    """Accuracy of confusion counts `[..., K, K]`."""
    return np.trace(counts, axis1=-2, axis2=-1) / np.maximum(counts.sum((-2, -1)), 1e-12)


def macro(counts: Counts) -> Counts:
    """Mean recall of confusion counts `[..., K, K]` over the classes that have rows."""
    supports = counts.sum(-1)
    recalls = np.diagonal(counts, axis1=-2, axis2=-1) / np.maximum(supports, 1e-12)
    return recalls.sum(-1) / np.maximum((supports > 0).sum(-1), 1)


def fisher(hits: int, n: int, rest_hits: int, rest_n: int) -> float:
    """Two-sided p of Fisher's exact test of `hits` of `n` against `rest_hits` of `rest_n`: the sum of the chances of
    all tables with these margins that are no likelier than this one (Fisher 1935)."""
    total, both = n + rest_n, hits + rest_hits

    def log_chance(at: int) -> float:
        return _log_choose(n, at) + _log_choose(rest_n, both - at) - _log_choose(total, both)

    here = log_chance(hits)
    possible = range(max(0, both - rest_n), min(n, both) + 1)
    return min(1.0, sum(math.exp(log_chance(at)) for at in possible if log_chance(at) <= here + 1e-9))


def association(groups: NDArray[np.int64], said: NDArray[np.int64], draws: int, seed: int) -> float:
    """p of a permutation test that group and expression know nothing of each other, by chi-squared of their table."""
    random = np.random.default_rng(seed)
    shape = int(groups.max()) + 1, K

    def statistic(order: NDArray[np.int64]) -> float:
        table = np.bincount(groups * K + order, minlength=shape[0] * K).reshape(shape)
        expected = table.sum(1, keepdims=True) * table.sum(0) / len(order)
        return float(((table - expected) ** 2 / np.maximum(expected, 1e-12)).sum())

    here = statistic(said)
    beyond = sum(statistic(random.permutation(said)) >= here - 1e-9 for _ in range(draws))
    return (beyond + 1) / (draws + 1)


def holm(chances: Sequence[float]) -> list[float]:
    """p-values corrected for being many (Holm 1979, Scand. J. Stat. 6:65)."""
    order = np.argsort(chances)
    corrected, highest = [0.0] * len(chances), 0.0
    for rank, at in enumerate(order):
        highest = max(highest, min(1.0, (len(chances) - rank) * chances[at]))
        corrected[at] = highest
    return corrected


def _by_cluster(labels: NDArray[np.int64], said: NDArray[np.int64], clusters: NDArray[np.str_]) -> Counts:
    names, place = np.unique(clusters, return_inverse=True)
    counts = np.zeros((len(names), K, K))
    np.add.at(counts, (place, labels, said), 1)
    return counts


def _weights(clusters: int, draws: int, seed: int) -> Counts:
    """How often each cluster was drawn, `[draws, clusters]`."""
    random = np.random.default_rng((seed, clusters))
    return random.multinomial(clusters, np.full(clusters, 1 / clusters), draws).astype(np.float64)


def _share(value: Counts, drawn: Counts, clusters: int) -> Interval:
    """A bootstrap interval of a share. One cluster says nothing of others: 0 to 1. Where nothing or everything is right
    a bootstrap has no width: Wilson's interval for as many rows as there are clusters then."""
    share = float(value)
    if clusters == 1:
        return Interval(share, 0.0, 1.0)
    if share in (0.0, 1.0):
        return Interval(share, *wilson_interval(round(share * clusters), clusters))
    low, high = np.percentile(drawn, (2.5, 97.5))
    return Interval(share, float(low), float(high))


def _log_choose(n: int, k: int) -> float:
    return math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1)

"""Six annotators for pictures whose truth is known, as no one has asked people about rendered heads.

The noise model, fixed before anything was scored: an annotator sees the true expression with a chance of .35 + .6 x its
intensity (a neutral face: .85), more or less by a skill of his own (normal, standard deviation .06). The rest goes half
to neutral and half, by weight, to what it is commonly confused with (`CONFUSED`: our choice, by the pairs that share
action units); of a neutral face all of it to a weak sadness, anger or happiness.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from training.data.faces import EXPRESSIONS

ANNOTATORS = 6
CONFUSED: dict[str, dict[str, float]] = {
    "neutral": {"sadness": 0.5, "anger": 0.3, "happiness": 0.2},
    "happiness": {"surprise": 0.7, "disgust": 0.3},
    "surprise": {"fear": 0.7, "happiness": 0.3},
    "sadness": {"fear": 0.35, "anger": 0.3, "disgust": 0.35},
    "anger": {"disgust": 0.6, "sadness": 0.3, "fear": 0.1},
    "disgust": {"anger": 0.6, "sadness": 0.4},
    "fear": {"surprise": 0.7, "sadness": 0.3},
}


@dataclass(frozen=True, slots=True)
class Votes:
    """Votes `[n, 7]`, each row of as many as there were annotators."""

    counts: NDArray[np.int64]

    @property
    def soft(self) -> NDArray[np.float32]:
        """`[n, 7]`: shares of the votes."""
        return (self.counts / self.counts.sum(1, keepdims=True)).astype(np.float32)

    @property
    def majority(self) -> NDArray[np.int64]:
        """`[n]`: the expression with the most votes, at a tie the first of them in `EXPRESSIONS`."""
        return self.counts.argmax(1).astype(np.int64)

    @property
    def tied(self) -> int:
        top = self.counts.max(1, keepdims=True)
        return int(((self.counts == top).sum(1) > 1).sum())


def asked(labels: NDArray[np.int64], intensity: NDArray[np.float32], seed: int) -> Votes:
    """Simulated votes for `[n]` true expressions of `[n]` intensities in [0, 1]."""
    random = np.random.default_rng((seed, 58))
    counts = np.zeros((len(labels), len(EXPRESSIONS)), np.int64)
    for skill in random.normal(0, 0.06, ANNOTATORS):
        for row, (label, strength) in enumerate(zip(labels, intensity, strict=True)):
            counts[row, random.choice(len(EXPRESSIONS), p=chances(int(label), float(strength), float(skill)))] += 1
    return Votes(counts)


def chances(label: int, intensity: float, skill: float = 0.0) -> NDArray[np.float64]:
    """What an annotator answers, `[7]`, summing to 1."""
    right = float(np.clip((0.85 if label == 0 else 0.35 + 0.6 * intensity) + skill, 0.05, 0.99))
    found = np.zeros(len(EXPRESSIONS))
    found[label] = right
    left = 1 - right
    if label:
        found[0] += left / 2
        left /= 2
    for name, weight in CONFUSED[EXPRESSIONS[label]].items():
        found[EXPRESSIONS.index(name)] += left * weight
    return found / found.sum()


def kappa(counts: NDArray[np.int64]) -> float:
    """Fleiss' kappa of votes `[n, K]` with the same number in each row (Fleiss 1971, Psychol. Bull. 76:378): 1 is
    perfect agreement, 0 what chance gives. NaN where all votes of all rows are the same.

    Raises:
        ValueError: rows with different numbers of votes, or fewer than two.
    """
    voters = counts.sum(1)
    if not len(counts) or (voters != voters[0]).any() or voters[0] < 2:
        raise ValueError("Fleiss' kappa wants the same number of votes, two or more, for every picture")
    n = int(voters[0])
    agreement = float(((counts**2).sum(1) - n).mean() / (n * (n - 1)))
    by_chance = float(((counts.sum(0) / counts.sum()) ** 2).sum())
    return (agreement - by_chance) / (1 - by_chance) if by_chance < 1 else float("nan")

"""Temperature scaling (Guo et al., "On Calibration of Modern Neural Networks", ICML 2017, section 4.2).

One number T > 0 divides all logits; T > 1 makes a network less sure. It never changes which class is on top. It is
found from probabilities alone: their logarithms are the logits up to a constant per row, which softmax ignores.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

LOWEST, HIGHEST = 0.05, 20.0
GOLDEN = (5**0.5 - 1) / 2


def apply(probabilities: NDArray[np.float32], temperature: float) -> NDArray[np.float32]:
    """`[n, K]` probabilities as they would be had the logits been divided by `temperature`."""
    logits = np.log(np.maximum(probabilities.astype(np.float64), 1e-12)) / temperature
    exponents = np.exp(logits - logits.max(1, keepdims=True))
    return (exponents / exponents.sum(1, keepdims=True)).astype(np.float32)


def negative_log_likelihood(labels: NDArray[np.int64], probabilities: NDArray[np.float32]) -> float:
    """Mean -log p of the true class, in nats; 0 is perfect."""
    return float(-np.log(np.maximum(probabilities[np.arange(len(labels)), labels], 1e-12)).mean())


def fit(labels: NDArray[np.int64], probabilities: NDArray[np.float32]) -> float:
    """The temperature in [0.05, 20] with the lowest negative log-likelihood on these rows.

    The likelihood has a single valley in log T, so a golden-section search finds it, to 1e-4 of T.
    """

    def loss(log_temperature: float) -> float:
        return negative_log_likelihood(labels, apply(probabilities, float(np.exp(log_temperature))))

    low, high = float(np.log(LOWEST)), float(np.log(HIGHEST))
    left, right = high - GOLDEN * (high - low), low + GOLDEN * (high - low)
    at_left, at_right = loss(left), loss(right)
    while high - low > 1e-4:
        if at_left < at_right:
            high, right, at_right = right, left, at_left
            left = high - GOLDEN * (high - low)
            at_left = loss(left)
        else:
            low, left, at_left = left, right, at_right
            right = low + GOLDEN * (high - low)
            at_right = loss(right)
    return float(np.exp((low + high) / 2))


def cross_fit(labels: NDArray[np.int64], probabilities: NDArray[np.float32], seed: int = 0) -> NDArray[np.float32]:
    """Calibrated probabilities of every row by the temperature of the *other* half of the rows.

    The rows on which a temperature was fitted would flatter it; halves (by a fixed shuffle) avoid that while every row
    still counts. Fewer than 2 rows come back as they are.
    """
    if len(labels) < 2:
        return probabilities
    order = np.random.default_rng(seed).permutation(len(labels))
    halves = order[: len(order) // 2], order[len(order) // 2 :]
    calibrated = np.empty_like(probabilities, dtype=np.float32)
    for fitted, held_out in (halves, halves[::-1]):
        calibrated[held_out] = apply(probabilities[held_out], fit(labels[fitted], probabilities[fitted]))
    return calibrated

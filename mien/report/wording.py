"""Figures as words: per cent, points, intervals, lists. What does not exist is a dash, never a number."""

from __future__ import annotations

import math
from collections.abc import Sequence

from mien.statistics import Estimate

NONE = "–"


def percent(value: float | None) -> str:
    """`0.8234` → `82.3`."""
    return NONE if value is None or math.isnan(value) else f"{100 * value:.1f}"


def points(value: float) -> str:
    """A difference of shares in percentage points: `-0.052` → `−5.2`."""
    return NONE if math.isnan(value) else f"{100 * value:+.1f}".replace("-", "−")


def span(estimate: Estimate) -> str:
    """`28.1–38.4`; a dash where there is no interval."""
    return NONE if math.isnan(estimate.low) else f"{percent(estimate.low)}–{percent(estimate.high)}"


def points_span(estimate: Estimate) -> str:
    """`−3.1 to +8.4`."""
    return f"{points(estimate.low)} to {points(estimate.high)}"


def count(number: int, noun: str) -> str:
    """`1 face`, `1,204 faces`."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def listed(words: Sequence[str]) -> str:
    """`a, b and c`."""
    return " and ".join(filter(None, (", ".join(words[:-1]), *words[-1:])))

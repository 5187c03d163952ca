"""Expressions as action units, and the way from what a face shows to what it shall show.

The prototypes are those of EMFACS (W. V. Friesen and P. Ekman, "EMFACS-7: Emotional Facial Action Coding System",
1983), with the action units that most people show with each (S. Du, Y. Tao and A. M. Martinez, "Compound facial
expressions of emotion", PNAS 111(15), 2014), in Mien's 17 units. How strong each unit is, in [0, 1], is Mien's own
choice: a clear expression, not an extreme one. Units that a prototype does not name are 0 in it.

An expression shown is not an emotion felt.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from services.domain import ACTION_UNITS, EXPRESSIONS, MOST_STEPS, Target
from services.errors import Kind, MienError

PROTOTYPES: Mapping[str, Mapping[str, float]] = {
    "neutral": {},
    "happiness": {"AU06": 0.75, "AU12": 1.0, "AU25": 0.6},
    "surprise": {"AU01": 0.9, "AU02": 0.9, "AU05": 0.7, "AU25": 0.75, "AU26": 0.9},
    "sadness": {"AU01": 0.8, "AU04": 0.65, "AU15": 0.8, "AU17": 0.5},
    "anger": {"AU04": 1.0, "AU05": 0.5, "AU07": 0.75, "AU23": 0.8},
    "disgust": {"AU04": 0.5, "AU07": 0.4, "AU09": 0.95, "AU10": 0.75, "AU17": 0.5},
    "fear": {"AU01": 0.8, "AU02": 0.45, "AU04": 0.65, "AU05": 0.85, "AU20": 0.75, "AU25": 0.65, "AU26": 0.4},
}


def units_of(target: Target) -> Mapping[str, float]:
    """The action units that a target fixes, each in [0, 1]: all 17 of an expression, or those that were named.

    Raises:
        MienError: BAD_PARAMETER: no target or two, an unknown expression or unit, an intensity outside [0, 1].
    """
    if bool(target.expression) == bool(target.action_units):
        raise _bad("Name either an expression or action units.", "expression")
    if target.expression:
        if target.expression not in PROTOTYPES:
            raise _bad(f"There is no such expression; there are {', '.join(EXPRESSIONS)}.", "expression")
        return dict.fromkeys(ACTION_UNITS, 0.0) | dict(PROTOTYPES[target.expression])
    for name, intensity in target.action_units.items():
        if name not in ACTION_UNITS:
            raise _bad(f"There is no such action unit; there are {', '.join(ACTION_UNITS)}.", "action_units")
        if not 0 <= intensity <= 1:  # false for NaN too
            raise _bad(f"{name} must be from 0 to 1.", "action_units")
    return target.action_units


def wanted(present: NDArray[np.float32], target: Target, intensity: float, steps: int) -> NDArray[np.float32]:
    """What n faces shall show in each frame: `[steps, n, 17] float32` in [0, 1].

    The k-th frame, from 1, is `a * target + (1 - a) * present` with `a = intensity * k / steps`.

    Args:
        present: `[n, 17]` in [0, 1]: what they show.

    Raises:
        MienError: BAD_PARAMETER, as `units_of`, or `intensity` outside [0, 1], or `steps` outside 1 to 32.
    """
    if not (math.isfinite(intensity) and 0 <= intensity <= 1):
        raise _bad("intensity must be from 0 to 1.", "intensity")
    if not 1 <= steps <= MOST_STEPS:
        raise _bad(f"steps must be at most {MOST_STEPS}.", "steps")
    goal = present.copy()
    for name, value in units_of(target).items():
        goal[:, ACTION_UNITS.index(name)] = value
    share = (intensity * np.arange(1, steps + 1, dtype=np.float32) / steps)[:, None, None]
    units: NDArray[np.float32] = (share * goal + (1 - share) * present).astype(np.float32)
    return units


def _bad(detail: str, field: str) -> MienError:
    return MienError(Kind.BAD_PARAMETER, detail, field=field)

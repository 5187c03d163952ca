"""From what a face shows to what it shall show: an expression's prototype, or some action units, in steps."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from services.domain import ACTION_UNITS, EXPRESSIONS, MOST_STEPS, Target
from services.emfacs import PROTOTYPES
from services.errors import Kind, MienError


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

"""Expressions as action units, and the way there."""

from __future__ import annotations

import math

import numpy as np
import pytest

from services.domain import ACTION_UNITS, EXPRESSIONS, Target
from services.emfacs import PROTOTYPES
from services.errors import Kind, MienError
from services.generation.expressions import units_of, wanted

PRESENT = np.linspace(0, 1, 2 * len(ACTION_UNITS), dtype=np.float32).reshape(2, -1)


def test_every_expression_has_a_prototype_of_known_units_in_range() -> None:
    assert tuple(PROTOTYPES) == EXPRESSIONS
    for units in PROTOTYPES.values():
        assert set(units) <= set(ACTION_UNITS)
        assert all(0 < intensity <= 1 for intensity in units.values())


def test_an_expression_fixes_all_units_and_neutral_is_none_of_them() -> None:
    assert set(units_of(Target("neutral")).values()) == {0.0}
    happiness = units_of(Target("happiness"))
    assert list(happiness) == list(ACTION_UNITS)
    assert {name: value for name, value in happiness.items() if value} == {"AU06": 0.75, "AU12": 1.0, "AU25": 0.6}


def test_the_last_frame_of_full_intensity_is_the_target_and_the_first_is_on_the_way() -> None:
    frames = wanted(PRESENT, Target("surprise"), 1.0, 4)
    target = np.array([units_of(Target("surprise"))[name] for name in ACTION_UNITS], np.float32)
    np.testing.assert_allclose(frames[-1], [target, target], atol=1e-6)
    np.testing.assert_allclose(frames[0], 0.25 * target + 0.75 * PRESENT, atol=1e-6)
    assert frames.dtype == np.float32


def test_named_units_leave_the_others_as_they_are() -> None:
    (frame,) = wanted(PRESENT, Target(action_units={"AU12": 0.5}), 0.5, 1)
    smile = ACTION_UNITS.index("AU12")
    others = [index for index in range(len(ACTION_UNITS)) if index != smile]
    np.testing.assert_array_equal(frame[:, others], PRESENT[:, others])
    np.testing.assert_allclose(frame[:, smile], 0.5 * 0.5 + 0.5 * PRESENT[:, smile], atol=1e-6)


def test_no_intensity_is_no_change() -> None:
    np.testing.assert_array_equal(wanted(PRESENT, Target("fear"), 0.0, 3), np.stack([PRESENT] * 3))


@pytest.mark.parametrize(
    ("target", "intensity", "steps", "field"),
    [
        (Target("joy"), 1.0, 1, "expression"),
        (Target(), 1.0, 1, "expression"),
        (Target("anger", {"AU12": 1.0}), 1.0, 1, "expression"),
        (Target(action_units={"AU03": 0.5}), 1.0, 1, "action_units"),
        (Target(action_units={"AU12": 1.1}), 1.0, 1, "action_units"),
        (Target(action_units={"AU12": math.nan}), 1.0, 1, "action_units"),
        (Target("anger"), 1.01, 1, "intensity"),
        (Target("anger"), math.nan, 1, "intensity"),
        (Target("anger"), 1.0, 33, "steps"),
        (Target("anger"), 1.0, 0, "steps"),
    ],
)
def test_what_cannot_be_shown_is_refused_by_name(target: Target, intensity: float, steps: int, field: str) -> None:
    with pytest.raises(MienError) as caught:
        wanted(PRESENT, target, intensity, steps)
    assert (caught.value.kind, caught.value.field) == (Kind.BAD_PARAMETER, field)

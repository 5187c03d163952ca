"""Action units: what a combination is called, and what the shapes are told."""

from __future__ import annotations

import numpy as np
import pytest

from training.clay import units
from training.clay.corpus import ACTION_UNITS, MIRROR
from training.data.faces import EXPRESSIONS


@pytest.mark.parametrize("expression", [name for name in EXPRESSIONS if name != "neutral"])
def test_a_prototype_is_called_by_its_name(expression: str) -> None:
    names = []
    for variant in units.PROTOTYPES[expression]:
        values = np.array([0.7 * variant.get(name, 0.0) for name in ACTION_UNITS], np.float32)
        names.append(units.name_of(values)[0])
    assert set(names) <= {expression, ""}
    assert names.count(expression) >= len(names) / 2


def test_a_face_at_rest_is_neutral_and_two_expressions_at_once_are_neither() -> None:
    assert units.name_of(np.zeros(17, np.float32)) == ("neutral", 0.0)
    both = np.zeros(17, np.float32)
    for name in ("AU06", "AU12", "AU01", "AU04", "AU15"):
        both[ACTION_UNITS.index(name)] = 0.8
    assert units.name_of(both)[0] == ""


@pytest.mark.parametrize("expression", [*EXPRESSIONS, ""])
def test_drawn_units_are_in_range_and_a_dropped_jaw_parts_the_lips(expression: str) -> None:
    random = np.random.default_rng(1)
    for _ in range(200):
        pose = units.draw(expression, random)
        assert pose.units.min() >= 0
        assert pose.units.max() <= 1
        jaw, lips = (pose.units[ACTION_UNITS.index(name)] for name in ("AU26", "AU25"))
        assert lips >= units.JAW_PARTS_LIPS * jaw - 1e-6
        if expression:
            assert pose.expression == expression


def test_the_shapes_follow_the_units_and_lean_to_one_side_only_if_asked() -> None:
    random = np.random.default_rng(0)
    smile = np.zeros(17, np.float32)
    smile[ACTION_UNITS.index("AU12")] = 0.5
    even = units.weights(smile, random, asymmetry=0, nuisance=0)
    assert even["mouthSmile_L"] == even["mouthSmile_R"] == pytest.approx(0.5)
    assert {name for name, value in even.items() if value and "mouthSmile" not in name} == set()
    uneven = units.weights(smile, random, asymmetry=0.3, nuisance=0)
    assert uneven["mouthSmile_L"] != uneven["mouthSmile_R"]
    assert (uneven["mouthSmile_L"] + uneven["mouthSmile_R"]) / 2 == pytest.approx(0.5)


def test_a_mirrored_landmark_is_the_other_sides() -> None:
    assert sorted(MIRROR) == list(range(68))
    assert (MIRROR[MIRROR] == np.arange(68)).all()
    assert MIRROR[36] == 45
    assert MIRROR[48] == 54

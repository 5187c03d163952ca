"""Who goes first."""

from __future__ import annotations

import pytest

from services.lanes import MOST_PASSED, Lanes


def lanes(hurried: str = "", patient: str = "") -> Lanes[str]:
    made: Lanes[str] = Lanes()
    made.put(patient, patient=True)
    made.put(hurried, patient=False)
    return made


def test_the_patient_go_after_all_others_each_in_order() -> None:
    waiting = lanes("abc", "xyz")
    assert "".join(waiting) == "abcxyz"
    assert "".join(waiting.pop() for _ in range(6)) == "abcxyz"
    assert len(waiting) == 0


def test_the_patient_do_not_starve() -> None:
    waiting = lanes("ABCDEFGHIJKLMNOPQRSTUVWXYZ", "xy")
    taken = "".join(waiting.pop() for _ in range(28))
    assert taken.index("x") == MOST_PASSED
    assert taken.index("y") == 2 * MOST_PASSED + 1


def test_a_turn_takes_those_who_are_gone_along() -> None:
    waiting = lanes("abc", "xyz")
    assert waiting.take("b", lambda one: one in "ax") == ["a", "b", "x"]
    assert "".join(waiting) == "cyz"


def test_who_gives_up_is_removed_from_either_line_once() -> None:
    waiting = lanes("ab", "xy")
    waiting.remove("b")
    waiting.remove("x")
    assert "".join(waiting) == "ay"
    with pytest.raises(ValueError):
        waiting.remove("b")

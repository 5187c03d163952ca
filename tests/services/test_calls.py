"""Ids and deadlines."""

from __future__ import annotations

import re

import pytest

from services import calls


@pytest.mark.parametrize("offered", [None, "", "a b", "a\n", "x" * 65, "näme", "a;drop"])
def test_an_unacceptable_id_is_replaced(offered: str | None) -> None:
    assert re.fullmatch(r"[0-9a-f]{32}", calls.new_id(offered))


def test_an_acceptable_id_is_kept() -> None:
    assert calls.new_id("Order-66_a.b") == "Order-66_a.b"


def test_outside_a_call_there_is_no_deadline() -> None:
    assert calls.remaining_s() is None
    assert calls.request_id() == ""
    calls.note(faces=1)  # and nothing to note it on


def test_inside_a_call_the_deadline_runs_and_never_below_zero() -> None:
    with calls.answering("one", 10.0) as call:
        remaining = calls.remaining_s()
        assert remaining is not None
        assert 9 < remaining <= 10
        call.deadline -= 60
        assert calls.remaining_s() == 0
        with calls.answering("two", 1.0):
            assert calls.request_id() == "two"
        assert calls.request_id() == "one"

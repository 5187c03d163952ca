"""Admission by fair shares: one caller does not take all places."""

from __future__ import annotations

from collections import Counter, deque
from contextlib import ExitStack

import pytest

from services import calls
from services.chassis.admission import Admission
from services.chassis.shares import most_of
from services.errors import Kind, MienError


def taken(admission: Admission, caller: str, held: ExitStack, most: int = 1000) -> int:
    """How many places the caller gets, one after another, until it is refused."""
    for number in range(most):
        with calls.answering("id", 60.0):
            calls.known_as(caller)
            try:
                held.enter_context(admission.admitted())
            except MienError:
                return number
    return most


def test_one_key_alone_gets_three_quarters_and_the_next_finds_room() -> None:
    admission = Admission(128)
    with ExitStack() as held:
        assert taken(admission, "greedy", held) == 96
        assert taken(admission, "modest", held, most=10) == 10
        assert taken(admission, "third", held, most=3) == 3
        assert taken(admission, "greedy", held) == 0
        with calls.answering("id", 60.0), pytest.raises(MienError) as refused:
            calls.known_as("greedy")
            held.enter_context(admission.admitted())
        assert (refused.value.kind, refused.value.retry_after_s) == (Kind.QUEUE_FULL, 1.0)
        assert "This key has its share of the 128 requests" in refused.value.detail
    assert admission.in_flight == 0


@pytest.mark.parametrize("places", [1, 2, 4, 7, 16, 128])
@pytest.mark.parametrize("caller", ["alone", ""])
def test_the_largest_form_that_is_promised_is_admitted(places: int, caller: str) -> None:
    """A form's call has a place already, and asks for one more for each of its further pictures."""
    admission, most = Admission(places), most_of(places, keys=bool(caller))
    with calls.answering("id", 60.0), ExitStack() as held:
        calls.known_as(caller)
        held.enter_context(admission.admitted())
        held.enter_context(admission.admitted(most - 1))
        assert admission.in_flight == most


def test_two_greedy_keys_come_to_equal_shares_as_calls_end() -> None:
    admission, inside = Admission(70), deque[tuple[str, ExitStack]]()

    def ask(caller: str) -> None:
        held = ExitStack()
        if taken(admission, caller, held, most=1):
            inside.append((caller, held))

    for _ in range(100):
        ask("early")
    for _ in range(500):
        inside.popleft()[1].close()
        for caller in ("early", "late") * 3:
            ask(caller)
    counts = Counter(caller for caller, _ in inside)
    assert counts == {"early": 30, "late": 30}
    for _, held in inside:
        held.close()


@pytest.mark.parametrize("limit", [1, 2, 3])
def test_a_callers_first_place_is_always_its(limit: int) -> None:
    admission = Admission(limit)
    with ExitStack() as held:
        assert taken(admission, "a", held) >= 1
    assert admission.in_flight == 0


def test_without_keys_all_places_may_be_taken() -> None:
    admission = Admission(16)
    with ExitStack() as held:
        assert taken(admission, "", held) == 16


def test_where_time_is_shorter_than_places_the_next_key_finds_time() -> None:
    """At a call a second and ten seconds of patience there is room for ten, whatever the places."""
    now = [0.0]
    admission = Admission(128, target_s=10.0, clock=lambda: now[0])
    for _ in range(50):
        with admission.admitted(within_s=60.0) as place:
            place.begin()
            now[0] += 1.0
            place.answered = True

    def ask(caller: str, held: ExitStack) -> int:
        for number in range(100):
            with calls.answering("id", 60.0):
                calls.known_as(caller)
                try:
                    held.enter_context(admission.admitted(within_s=60.0)).begin()
                except MienError:
                    return number
        return 100

    with ExitStack() as held:
        assert ask("greedy", held) == 7
        assert ask("modest", held) >= 2
        assert ask("greedy", held) == 0

"""When callers of a service behind are told at once that it does not answer."""

from __future__ import annotations

import pytest

from services.chassis.breaker import MOST_FAILURES, PAUSE_S, SILENCE_S, Breaker
from services.errors import Kind, MienError


class Clock:
    """Says the time that it was set to."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def broken(clock: Clock, told: list[bool] | None = None) -> Breaker:
    """One that has just opened."""
    breaker = Breaker((told if told is not None else []).append, clock)
    clock.now += SILENCE_S
    for _ in range(MOST_FAILURES):
        breaker.failed(breaker.enter())
    return breaker


def refused(breaker: Breaker) -> MienError:
    with pytest.raises(MienError) as caught:
        breaker.enter()
    assert caught.value.kind is Kind.UNAVAILABLE
    return caught.value


def test_it_opens_after_enough_failures_in_a_row_and_says_when_to_try_again() -> None:
    clock, told = Clock(), []
    breaker = Breaker(told.append, clock)
    clock.now += SILENCE_S
    for _ in range(MOST_FAILURES - 1):
        breaker.failed(breaker.enter())
    breaker.failed(breaker.enter())
    assert refused(breaker).retry_after_s == PAUSE_S
    assert told == [True]


def test_a_service_that_answers_some_is_never_cut_off() -> None:
    clock, told = Clock(), []
    breaker = Breaker(told.append, clock)
    for _ in range(50):
        for _ in range(MOST_FAILURES - 1):
            breaker.failed(breaker.enter())
        breaker.answered(breaker.enter())
        clock.now += SILENCE_S
    for _ in range(10 * MOST_FAILURES):  # many at once, but the last answer was a moment ago
        breaker.answered(breaker.enter())
        breaker.failed(breaker.enter())
    assert told == []


def test_a_crowd_that_fails_within_a_moment_of_an_answer_does_not_open_it() -> None:
    clock, told = Clock(), []
    breaker = Breaker(told.append, clock)
    breaker.answered(breaker.enter())
    clock.now += SILENCE_S / 2
    for _ in range(10 * MOST_FAILURES):
        breaker.failed(breaker.enter())
    assert told == []


def test_after_the_pause_one_at_a_time_tries_and_its_answer_closes_it() -> None:
    clock, told = Clock(), []
    breaker = broken(clock, told)
    clock.now += PAUSE_S
    assert breaker.enter() is True
    refused(breaker)
    breaker.answered(True)
    assert breaker.enter() is False
    assert told == [True, False]


def test_one_that_tried_in_vain_begins_the_pause_again() -> None:
    clock, told = Clock(), []
    breaker = broken(clock, told)
    clock.now += PAUSE_S
    breaker.failed(breaker.enter())
    clock.now += PAUSE_S / 2
    refused(breaker)
    clock.now += PAUSE_S / 2
    assert breaker.enter() is True
    assert told == [True]


def test_one_that_tried_and_left_leaves_the_try_to_the_next() -> None:
    clock = Clock()
    breaker = broken(clock)
    clock.now += PAUSE_S
    breaker.left(breaker.enter())
    assert breaker.enter() is True


def test_failures_of_calls_made_before_it_opened_do_not_put_the_next_try_off() -> None:
    clock = Clock()
    breaker = broken(clock)
    clock.now += PAUSE_S
    breaker.failed(False)
    assert breaker.enter() is True

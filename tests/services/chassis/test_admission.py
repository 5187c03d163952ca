"""Who is let in: by places, and by the time that those before take."""

from __future__ import annotations

import math
from contextlib import ExitStack

import pytest

from services.chassis.admission import Admission, Place
from services.errors import Kind, MienError


class Clock:
    """Says the time that it was set to."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def begun(admission: Admission, held: ExitStack, within_s: float = math.inf) -> Place:
    place = held.enter_context(admission.admitted(within_s=within_s))
    place.begin()
    return place


def answer(admission: Admission, clock: Clock, seconds: float, times: int = 1) -> None:
    """Calls one after the other, so long each, answered."""
    for _ in range(times):
        with admission.admitted() as place:
            place.begin()
            clock.now += seconds
            place.answered = True


def refusal(admission: Admission, within_s: float | None = math.inf) -> MienError:
    with pytest.raises(MienError) as caught, admission.admitted(within_s=within_s):
        pass
    assert caught.value.kind is Kind.QUEUE_FULL
    return caught.value


def test_no_more_are_in_than_there_are_places_and_a_place_comes_back() -> None:
    admission = Admission(2)
    with admission.admitted(), admission.admitted():
        assert refusal(admission).retry_after_s == 1.0
    with admission.admitted(2):
        assert admission.in_flight == 2
    assert admission.in_flight == 0


def test_the_wait_is_that_of_the_calls_ahead_at_the_pace_of_late() -> None:
    clock = Clock()
    admission = Admission(100, clock=clock)
    answer(admission, clock, 0.5)
    with ExitStack() as held:
        for _ in range(4):
            begun(admission, held)
        assert admission.wait_s() == pytest.approx(4 * 0.5)
    answer(admission, clock, 0.1, times=200)
    with ExitStack() as held:
        begun(admission, held)
        assert admission.wait_s() == pytest.approx(0.1, rel=0.01)


def test_a_call_whose_deadline_the_others_would_use_up_is_refused_and_one_with_more_time_is_not() -> None:
    clock = Clock()
    admission = Admission(100, clock=clock)
    answer(admission, clock, 0.5)
    with ExitStack() as held:
        for _ in range(4):
            begun(admission, held)
        error = refusal(admission, within_s=3.0)  # 2 s of wait; of 3 s it may be 1.5
        assert error.retry_after_s == pytest.approx(0.5)  # until one of them has gone
        begun(admission, held, within_s=4.5)


def test_nobody_waits_longer_than_the_target_whatever_the_deadline() -> None:
    clock = Clock()
    admission = Admission(100, target_s=1.0, clock=clock)
    answer(admission, clock, 0.5)
    with ExitStack() as held:
        for _ in range(3):
            begun(admission, held)
        assert refusal(admission).retry_after_s == pytest.approx(0.5)
        with admission.admitted():  # what does not wait for others is let in
            pass


def test_an_idle_service_takes_anybody_however_slow_it_was() -> None:
    clock = Clock()
    admission = Admission(100, target_s=1.0, clock=clock)
    answer(admission, clock, 60.0)
    with ExitStack() as held:
        begun(admission, held, within_s=0.001)


def test_calls_that_fail_or_come_too_late_do_not_make_the_service_look_fast() -> None:
    clock = Clock()
    admission = Admission(100, clock=clock)
    answer(admission, clock, 1.0)
    with ExitStack() as held:
        last = begun(admission, held)
        for _ in range(50):
            with admission.admitted() as place:  # refused further behind, at once
                place.begin()
                clock.now += 0.01
        clock.now += 0.5
        assert admission.wait_s() == pytest.approx(1.0)
        last.answered = True
    with ExitStack() as held:
        begun(admission, held)
        assert admission.wait_s() == pytest.approx(1.0)  # fifty failures and one answer, in a second


def test_idle_time_is_not_taken_for_slowness() -> None:
    clock = Clock()
    admission = Admission(100, clock=clock)
    answer(admission, clock, 0.2)
    clock.now += 3600
    answer(admission, clock, 0.2)
    with ExitStack() as held:
        begun(admission, held)
        assert admission.wait_s() == pytest.approx(0.2)


def test_who_has_not_sent_all_keeps_nobody_waiting() -> None:
    clock = Clock()
    admission = Admission(100, target_s=1.0, clock=clock)
    answer(admission, clock, 0.5)
    with ExitStack() as held:
        for _ in range(50):
            held.enter_context(admission.admitted())
        begun(admission, held)
        assert admission.wait_s() == pytest.approx(0.5)

"""The figures by which a long run is judged."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest

from tests.load.samples import Sample, disturbed, drift, slope, thirds


def hour(grows_mib_h: float, noise_mib: float = 0.0) -> list[Sample]:
    chance = random.Random(3)
    return [
        Sample(at_s, 400 + grows_mib_h * at_s / 3600 + chance.gauss(0, noise_mib), 30, 20, 0.1, 0.2, 0.01)
        for at_s in range(0, 3600, 5)
    ]


def test_the_slope_is_that_of_the_memory_in_mib_an_hour() -> None:
    found = slope(hour(7.5))
    assert found.per_h == pytest.approx(7.5)
    assert found.give_or_take == pytest.approx(0, abs=1e-6)


def test_noise_widens_the_interval_that_holds_the_truth() -> None:
    found = slope(hour(0.5, noise_mib=5))
    assert found.give_or_take > 0.1
    assert abs(found.per_h - 0.5) < 2 * found.give_or_take


def test_a_run_that_is_too_short_has_no_slope() -> None:
    with pytest.raises(ValueError, match="longer"):
        slope(hour(0)[:10])


def test_the_thirds_leave_the_warm_up_out() -> None:
    first, last = thirds(hour(0), 600)
    assert (first[0].at_s, last[-1].at_s, len(first), len(last)) == (600, 3595, 200, 200)


def test_drift_compares_the_longest_waits() -> None:
    assert drift({"first": [0.1] * 98 + [1.0] * 2, "last": [0.5] * 98 + [1.5] * 2}) == pytest.approx(0.5)


def test_stretches_in_which_others_had_the_machine_are_known_until_their_queue_has_drained() -> None:
    samples = hour(0)[:30]
    assert not any(disturbed(samples))
    samples[5] = replace(samples[5], stolen=0.2)
    samples[20] = replace(samples[20], pace_s=0.05)
    found = disturbed(samples)
    assert [number for number, hit in enumerate(found) if hit] == [*range(5, 12), *range(20, 27)]

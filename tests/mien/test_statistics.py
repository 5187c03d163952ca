"""Intervals and scores against published worked values."""

from __future__ import annotations

import math

import pytest

from mien.statistics import calibration_error, clustered_means, lift, newcombe, shared_level, wilson


@pytest.mark.parametrize(
    ("hits", "n", "low", "high"),
    [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611), (1, 29, 0.0061, 0.1718)],
)
def test_wilson_s_interval_is_the_published_one(hits: int, n: int, low: float, high: float) -> None:
    """Newcombe 1998, Statistics in Medicine 17:857, table I, method 3."""
    found = wilson(hits, n)
    assert (round(found.low, 4), round(found.high, 4)) == (low, high)
    assert (found.value, found.n) == (hits / n, n)


@pytest.mark.parametrize(
    ("hits", "n", "rest", "rest_n", "low", "high"),
    [
        (56, 70, 48, 80, 0.0524, 0.3339),
        (9, 10, 3, 10, 0.1705, 0.8090),
        (5, 56, 0, 29, -0.0381, 0.1926),
        (0, 10, 0, 10, -0.2775, 0.2775),
        (10, 10, 0, 10, 0.6075, 1.0),
    ],
)
def test_newcombe_s_interval_is_the_published_one(
    hits: int, n: int, rest: int, rest_n: int, low: float, high: float
) -> None:
    """Newcombe 1998, Statistics in Medicine 17:873, table II, method 10."""
    found = newcombe(hits, n, rest, rest_n)
    assert (round(found.low, 4), round(found.high, 4)) == (low, high)
    assert found.value == pytest.approx(hits / n - rest / rest_n)
    assert found.excludes_zero == (low > 0)


def test_nothing_counted_is_no_share() -> None:
    with pytest.raises(ValueError, match="0 of 0 is no share"):
        wilson(0, 0)


def test_many_intervals_together_are_wider() -> None:
    assert shared_level(10) == pytest.approx(0.995)
    alone, together = newcombe(56, 70, 48, 80), newcombe(56, 70, 48, 80, shared_level(10))
    assert (alone.excludes_zero, together.excludes_zero) == (True, False)


def test_the_bootstrap_s_interval_is_as_wide_as_theory_says() -> None:
    values = [i % 2 for i in range(400)]
    (found,) = clustered_means([values], [1] * 400)
    assert found.value == 0.5
    expected = 1.96 * 0.5 / math.sqrt(400)
    assert (found.value - found.low, found.high - found.value) == pytest.approx((expected, expected), rel=0.12)
    assert clustered_means([values], [1] * 400) == [found], "the same table, the same interval"


def test_the_bootstrap_resamples_images_and_not_faces() -> None:
    """Four copies of each image's face say no more than one: its interval stays as wide, where faces would halve it."""
    values = [i % 2 for i in range(100)]
    (one,) = clustered_means([values], [1] * 100)
    (four,) = clustered_means([[4 * value for value in values]], [4] * 100)
    assert four.n == 400
    assert (four.value, four.low, four.high) == pytest.approx((one.value, one.low, one.high))


def test_images_with_more_faces_weigh_more() -> None:
    (found,) = clustered_means([[3.0, 0.0]], [3, 1])
    assert found.value == 0.75


def test_one_image_has_a_mean_and_no_interval() -> None:
    (found,) = clustered_means([[0.4]], [1])
    assert found.value == 0.4
    assert math.isnan(found.low)
    assert math.isnan(found.high)
    with pytest.raises(ValueError, match="no image"):
        clustered_means([[]], [])


def test_the_calibration_error_is_the_mean_gap_of_the_bins() -> None:
    assert calibration_error([0.75] * 4, [True, True, True, False]) == 0
    assert calibration_error([0.9, 0.9, 0.5, 0.5], [False, False, True, False]) == pytest.approx(0.45)
    assert calibration_error([1.0], [True]) == 0


def test_lift_is_one_by_chance() -> None:
    assert lift(both=25, one=50, other=50, n=100) == 1
    assert lift(both=50, one=50, other=50, n=100) == 2

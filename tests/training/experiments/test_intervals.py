"""Scores, intervals and tests against numbers found by hand."""

from __future__ import annotations

import numpy as np
import pytest

from training.experiments import intervals, missing
from training.experiments.intervals import Interval

LABELS = np.array([0, 0, 0, 0, 1, 1])
SAID = np.array([0, 0, 0, 1, 1, 0])
HEADS = np.array(list("aabbcc"), np.str_)


def test_micro_and_macro_are_named_and_an_empty_expression_is_no_perfect_one() -> None:
    found = intervals.scores(LABELS, SAID, HEADS, 200, 0)
    assert found.micro.value == pytest.approx(4 / 6)
    assert found.macro.value == pytest.approx((3 / 4 + 1 / 2) / 2)
    assert found.recalls == [0.75, 0.5, None, None, None, None, None]
    assert found.supports == [4, 2, 0, 0, 0, 0, 0]
    assert found.macro_f1 == pytest.approx((2 * 3 / 8 + 2 * 1 / 4) / 2)
    assert (found.rows, found.clusters) == (6, 3)


def test_an_interval_by_head_is_wider_than_one_by_picture_where_heads_differ() -> None:
    labels = np.zeros(200, int)
    said = np.repeat(np.arange(10) % 2, 20)  # whole heads are right or wrong
    by_head = intervals.scores(labels, said, np.repeat(np.arange(10), 20).astype(np.str_), 500, 0).micro
    by_picture = intervals.scores(labels, said, np.arange(200).astype(np.str_), 500, 0).micro
    assert by_head.high - by_head.low > 2 * (by_picture.high - by_picture.low)


def test_nothing_right_or_one_head_alone_never_looks_certain() -> None:
    wrong = intervals.scores(np.zeros(9, int), np.ones(9, int), np.arange(9).astype(np.str_), 50, 0)
    assert (wrong.micro.value, wrong.micro.low) == (0, 0)
    assert wrong.micro.high > 0.25
    one = intervals.scores(LABELS, SAID, np.full(6, "a"), 50, 0)
    assert (one.micro.low, one.micro.high) == (0, 1)
    alone = intervals.difference(LABELS, LABELS, SAID, np.full(6, "a"), 50, 0)
    assert not (alone.above_zero)
    assert not (alone.below_zero)


def test_a_paired_difference_is_that_of_the_scores_and_narrower_than_each() -> None:
    random = np.random.default_rng(0)
    labels = random.integers(0, 7, 700)
    hard = random.random(700) < 0.5
    one = np.where(hard, (labels + 1) % 7, labels)
    other = np.where(hard | (random.random(700) < 0.1), (labels + 1) % 7, labels)
    heads = np.arange(700).astype(np.str_)
    apart = intervals.difference(labels, one, other, heads, 500, 0)
    each = [intervals.scores(labels, said, heads, 500, 0).macro for said in (one, other)]
    assert apart.value == pytest.approx(each[0].value - each[1].value)
    assert apart.above_zero
    assert apart.high - apart.low < each[0].high - each[0].low
    same = intervals.difference(labels, one, one, heads, 500, 0)
    assert (same.low, same.value, same.high) == (0, 0, 0)


def test_fisher_and_holm_are_those_found_by_hand() -> None:
    assert intervals.fisher(3, 4, 1, 4) == pytest.approx(34 / 70)
    assert intervals.fisher(4, 4, 0, 4) == pytest.approx(2 / 70)
    assert intervals.fisher(0, 5, 0, 9) == 1
    assert intervals.holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert intervals.holm([0.9, 0.8]) == [1.0, 1.0]


def test_an_association_is_found_where_there_is_one_alone() -> None:
    groups = np.repeat([0, 1], 40)
    assert intervals.association(groups, groups * 3, 200, 0) < 0.02
    assert intervals.association(groups, np.tile([0, 3], 40), 200, 0) > 0.5


@pytest.mark.parametrize(
    ("low", "high", "verdict", "word"),
    [(0.01, 0.05, "helps", "helps"), (-0.05, -0.01, "hurts", "hurts"), (-0.01, 0.05, "not shown", "not shown")],
)
def test_the_claim_s_sentence_follows_from_its_interval(low: float, high: float, verdict: str, word: str) -> None:
    found = Interval((low + high) / 2, low, high)
    assert missing.verdict(found) == verdict
    sentence = missing.sentence("statues", missing.CLAIM, found)
    assert word in sentence
    assert f"{100 * high:+.1f}".replace("-", "−") in sentence

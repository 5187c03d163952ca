"""Annotators: kappa against published and hand-computed cases, and a noise model that does what it says."""

from __future__ import annotations

import math

import numpy as np
import pytest

from training.data.faces import EXPRESSIONS
from training.experiments import annotators
from training.experiments.annotators import Votes, kappa

# Fleiss' example as it is usually given: 10 subjects, 14 raters, 5 categories
EXAMPLE = """0 0 0 0 14
0 2 6 4 2
0 0 3 5 6
0 3 9 2 0
2 2 8 1 1
7 7 0 0 0
3 2 6 3 0
2 5 3 2 2
6 5 2 1 0
0 2 2 3 7"""


def test_kappa_is_the_one_found_by_hand() -> None:
    assert kappa(np.array([[2, 0], [1, 1]])) == pytest.approx((0.5 - 0.625) / 0.375)
    assert kappa(np.array([[3, 0], [0, 3]])) == 1.0
    table = np.array([[int(cell) for cell in line.split()] for line in EXAMPLE.splitlines()])
    assert kappa(table) == pytest.approx(0.210, abs=0.0005)
    assert math.isnan(kappa(np.array([[3, 0], [3, 0]]))), "nobody ever said anything else"


def test_kappa_wants_the_same_number_of_votes_everywhere() -> None:
    with pytest.raises(ValueError, match="same number of votes"):
        kappa(np.array([[2, 0], [1, 0]]))


def test_six_annotators_vote_on_every_picture_and_the_same_seed_gives_the_same_votes() -> None:
    labels, intensity = np.arange(70) % 7, np.linspace(0.3, 1, 70).astype(np.float32)
    votes = annotators.asked(labels, intensity, 1)
    assert (votes.counts.sum(1) == 6).all()
    np.testing.assert_allclose(votes.soft.sum(1), 1, atol=1e-6)
    assert (annotators.asked(labels, intensity, 1).counts == votes.counts).all()
    assert (annotators.asked(labels, intensity, 2).counts != votes.counts).any()


def test_a_stronger_expression_is_agreed_on_more() -> None:
    labels = np.tile(np.arange(1, 7), 40)
    weak, strong = (
        kappa(annotators.asked(labels, np.full(240, strength, np.float32), 1).counts) for strength in (0.3, 1.0)
    )
    assert strong > weak + 0.2


@pytest.mark.parametrize("label", range(7))
def test_the_chances_sum_to_one_and_the_truth_is_the_likeliest_of_a_clear_expression(label: int) -> None:
    found = annotators.chances(label, 0.9)
    assert found.sum() == pytest.approx(1)
    assert found.argmax() == label
    confused = {EXPRESSIONS[at] for at in np.flatnonzero(found)} - {EXPRESSIONS[label], "neutral"}
    assert confused == set(annotators.CONFUSED[EXPRESSIONS[label]])


def test_a_tie_goes_to_the_first_expression_and_is_counted() -> None:
    votes = Votes(np.array([[0, 3, 3, 0, 0, 0, 0], [1, 0, 0, 5, 0, 0, 0]]))
    assert votes.majority.tolist() == [1, 3]
    assert votes.tied == 1

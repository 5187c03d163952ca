"""What exact landmarks tell of the action units, and less exact ones less."""

from __future__ import annotations

import numpy as np
import pytest

from training.clay.corpus import ACTION_UNITS, Corpus
from training.shape import ceiling, scores
from training.shape.crops import usable


def test_exact_landmarks_tell_more_than_moved_ones(drawn: Corpus) -> None:
    exact, moved = (ceiling.readable(drawn, drawn, error, epochs=60) for error in (0.0, 0.2))
    assert exact.shape == (len(ACTION_UNITS),)
    assert scores.mean_known(exact) > scores.mean_known(moved) + 0.1


def test_shapes_know_neither_place_nor_size_nor_roll(drawn: Corpus) -> None:
    rows = usable(drawn)[:4]
    found = ceiling.shapes(drawn, rows, 0.0, np.random.default_rng(0)).reshape(4, 68, 2)
    assert np.abs(found.mean(1)).max() < 1e-6
    assert (found**2).mean((1, 2)) == pytest.approx(1)
    eyes = found[:, 42:48].mean(1) - found[:, 36:42].mean(1)
    assert np.abs(eyes[:, 1]).max() < 1e-5


def test_the_table_has_a_row_for_each_unit_and_their_mean() -> None:
    told = ceiling.table({0.0: np.full(17, 0.5, np.float32), 0.02: np.full(17, 0.25, np.float32)})
    assert told.splitlines()[0] == "| unit | off by 0 % | off by 2 % |"
    assert told.splitlines()[-1] == "| mean | 0.50 | 0.25 |"
    assert len(told.splitlines()) == 2 + 17 + 1

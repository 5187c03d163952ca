"""What exact landmarks tell of the action units and expressions, and less exact ones less."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from training.clay.corpus import ACTION_UNITS, Corpus
from training.data.faces import NO_EXPRESSION
from training.shape import ceiling, scores
from training.shape.crops import usable


def test_exact_landmarks_tell_more_than_moved_ones(drawn: Corpus) -> None:
    exact, moved = (ceiling.readable(drawn, drawn, error, epochs=60) for error in (0.0, 0.2))
    assert exact.units.shape == (len(ACTION_UNITS),)
    assert scores.mean_known(exact.units) > scores.mean_known(moved.units) + 0.1


def test_expressions_are_told_from_landmarks_too(drawn: Corpus) -> None:
    expression = np.where(drawn.action_units[:, 0] > 0.3, "surprise", "neutral")
    shown = dataclasses.replace(drawn, expression=expression, intensity=np.full(len(expression), 0.9, np.float32))
    exact, moved = (ceiling.readable(shown, shown, error, epochs=60).expressions for error in (0.0, 0.5))
    assert exact > max(0.8, moved)


def test_only_clear_expressions_count(drawn: Corpus) -> None:
    many = len(usable(drawn))
    expression = np.array(["anger", "anger", "neutral", ""])[np.arange(len(drawn.index)) % 4]
    intensity = np.array([0.54, 0.55, 0.0, 0.0], np.float32)[np.arange(len(drawn.index)) % 4]
    shown = dataclasses.replace(drawn, expression=expression, intensity=intensity)
    assert ceiling.clear(shown, np.arange(many)).tolist() == ([NO_EXPRESSION, 4, 0, NO_EXPRESSION] * many)[:many]


def test_shapes_know_neither_place_nor_size_nor_roll(drawn: Corpus) -> None:
    rows = usable(drawn)[:4]
    found = ceiling.shapes(drawn, rows, 0.0, np.random.default_rng(0)).reshape(4, 68, 2)
    assert np.abs(found.mean(1)).max() < 1e-6
    assert (found**2).mean((1, 2)) == pytest.approx(1)
    eyes = found[:, 42:48].mean(1) - found[:, 36:42].mean(1)
    assert np.abs(eyes[:, 1]).max() < 1e-5


def test_the_table_has_a_row_for_each_unit_their_mean_and_the_expressions() -> None:
    exact, moved = (ceiling.Readable(np.full(17, r, np.float32), r) for r in (0.5, 0.25))
    told = ceiling.table({0.0: exact, 0.02: moved})
    assert told.splitlines()[0] == "| unit | off by 0 % | off by 2 % |"
    assert told.splitlines()[-2:] == ["| mean | 0.50 | 0.25 |", "| expressions: mean recall, % | 50 | 25 |"]
    assert len(told.splitlines()) == 2 + 17 + 2

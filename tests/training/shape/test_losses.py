"""Losses and scores against numbers worked out by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from training.shape import losses, scores

NAN = float("nan")


def test_wing_is_logarithmic_near_and_linear_far() -> None:
    true = torch.zeros(1, 2, 2)
    weight = torch.tensor([[1.0, 0.0]])
    for error, wanted in ((0.02, 10 * math.log(1 + 2 / 2)), (0.3, 30 - (10 - 10 * math.log(1 + 10 / 2)))):
        found = torch.full((1, 2, 2), error)
        assert float(losses.wing(found, true, weight, 10, 2)) == pytest.approx(wanted / 10, rel=1e-4)


def test_unknown_landmarks_and_units_neither_count_nor_spoil_gradients() -> None:
    found = torch.zeros(2, 68, 2, requires_grad=True)
    true = torch.full((2, 68, 2), NAN)
    loss = losses.wing(found, true, torch.zeros(2, 68), 10, 2) + losses.expected_error(
        torch.zeros(2), found, true, torch.zeros(2, 68)
    )
    loss.backward()
    assert float(loss.detach()) == 0
    assert found.grad is not None
    assert bool((found.grad == 0).all())
    logits = torch.zeros(2, 3, requires_grad=True)
    weight = torch.tensor([1.0, 2.0, 1.0])
    error = losses.unit_entropy(logits, torch.tensor([[0.5, 1.0, NAN], [NAN, NAN, NAN]]), weight)
    error.backward()
    assert float(error.detach()) == pytest.approx(1.5 * math.log(2))
    assert logits.grad is not None
    assert bool((logits.grad[:, 2] == 0).all())
    assert bool(torch.isfinite(logits.grad).all())


def test_contrast_knows_no_head_only_what_differs_in_a_scene() -> None:
    true = torch.tensor([[0.1, 0.2], [0.5, 0.2], [0.9, 0.9], [NAN, NAN]])
    scene, weight = torch.tensor([7, 7, 3, 7]), torch.tensor([1.0, 0.5])
    shifted = (true.nan_to_num() + torch.tensor([[0.3, -4.0], [0.3, -4.0], [-2.0, 5.0], [9.0, 9.0]])).requires_grad_()
    assert float(losses.contrast(shifted, true, scene, weight).detach()) == pytest.approx(0, abs=1e-10)
    off = (true.nan_to_num() + torch.tensor([[0.2, 0.0], [-0.2, 0.4], [0.0, 0.0], [9.0, 9.0]])).requires_grad_()
    loss = losses.contrast(off, true, scene, weight)
    loss.backward()
    assert float(loss.detach()) == pytest.approx((2 * 0.2**2 + 0.5 * 2 * 0.2**2) / 6)
    assert off.grad is not None
    assert bool((off.grad[2:] == 0).all())
    assert float(losses.contrast(off, true * NAN, scene, weight).detach()) == 0


def test_a_unit_that_varies_little_weighs_more_but_not_without_end() -> None:
    units = torch.tensor([[0.0, 0.4, 0.5, NAN], [1.0, 0.6, 0.5, NAN], [NAN, NAN, NAN, NAN]])
    weight = losses.unit_weights(units)
    assert float(weight.mean()) == pytest.approx(1.0)
    assert weight[1] > weight[0]
    assert float(weight[2]) == pytest.approx(float(weight.max()))
    assert bool(torch.isfinite(weight).all())


def test_the_best_guess_of_the_error_is_the_error() -> None:
    found, true, weight = torch.zeros(1, 4, 2), torch.tensor([0.03, 0.04]).expand(1, 4, 2), torch.ones(1, 4)
    losses_at = {
        guess: float(losses.expected_error(torch.tensor([math.log(guess)]), found, true, weight))
        for guess in (0.04, 0.05, 0.06)
    }
    assert min(losses_at, key=losses_at.__getitem__) == 0.05


def test_correlation_and_agreement_know_a_wrong_scale() -> None:
    true = np.random.default_rng(0).uniform(0, 1, (200, 17)).astype(np.float32)
    true[:3, 0] = np.nan
    true[:, 1] = 0.5
    half = np.where(np.isnan(true), 0, true) / 2
    found = scores.correlations(half, true)
    assert np.isnan(found[1])
    assert found[0] == pytest.approx(1, abs=1e-5)
    assert found[2] == pytest.approx(1, abs=1e-5)
    assert scores.agreement(half, true)[2] == pytest.approx(0.8, abs=0.01)  # 2ab / (a² + b²) of deviations 1 and ½
    assert scores.agreement(true[:, 2:], true[:, 2:])[0] == pytest.approx(1)
    assert np.isnan(scores.mean_known(found[1:2]))


def test_the_landmark_error_is_over_the_eye_corners() -> None:
    true = np.zeros((1, 68, 2), np.float32)
    true[0, 45] = (50, 0)
    found = true + np.array([3, 4], np.float32)
    assert scores.eye_error(found, true)[0] == pytest.approx(0.1)
    assert scores.area_under(np.array([0.0, 0.04, 0.2])) == pytest.approx(0.5)


def test_intervals_draw_whole_identities() -> None:
    names = np.repeat(["a", "b", "c", "d"], 50)
    values = np.repeat([0.0, 1.0, 0.0, 1.0], 50)
    low, high = scores.interval(names, lambda rows: float(values[rows].mean()))
    assert low <= 0.25
    assert high >= 0.75

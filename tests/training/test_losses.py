"""Losses against their formulas, and what a single focal alpha does (nothing, under Adam)."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from training.arm import losses

LOGITS = torch.randn(6, 7, generator=torch.Generator().manual_seed(0))
LABELS = torch.tensor([0, 1, 2, 3, 6, 6])


def test_soft_cross_entropy_of_one_hot_targets_is_cross_entropy() -> None:
    target = F.one_hot(LABELS, 7).float()
    assert torch.allclose(losses.soft_cross_entropy(LOGITS, target), F.cross_entropy(LOGITS, LABELS))


def test_soft_cross_entropy_is_least_at_the_target_itself() -> None:
    target = torch.softmax(LOGITS, 1)
    entropy = -(target * target.log()).sum(1).mean()
    assert torch.allclose(losses.soft_cross_entropy(LOGITS, target), entropy)
    assert losses.soft_cross_entropy(LOGITS * 1.3, target) > entropy


def test_a_row_without_a_target_does_not_count() -> None:
    logits = torch.tensor([[2.0, -1.0, 0.5], [9.0, 0.0, 1.0]])
    target = torch.tensor([[0.0, 1.0, 0.0], [0.0, 0.0, 0.0]])
    alone = losses.soft_cross_entropy(logits[:1], target[:1])
    assert torch.equal(losses.soft_cross_entropy(logits, target), alone)


def test_focal_with_gamma_0_is_cross_entropy_and_a_larger_gamma_is_less() -> None:
    one = torch.ones(1)
    assert torch.allclose(losses.focal(LOGITS, LABELS, 0.0, one), F.cross_entropy(LOGITS, LABELS))
    assert losses.focal(LOGITS, LABELS, 2.0, one) < F.cross_entropy(LOGITS, LABELS)


def test_a_single_alpha_only_scales_the_focal_loss() -> None:
    quarter = losses.focal(LOGITS, LABELS, 2.0, torch.tensor([0.25]))
    assert torch.allclose(quarter, losses.focal(LOGITS, LABELS, 2.0, torch.ones(1)) / 4)


def test_seven_alphas_weigh_each_row_by_its_class() -> None:
    weights = torch.arange(7.0)
    rows = torch.stack([losses.focal(LOGITS[i : i + 1], LABELS[i : i + 1], 2.0, torch.ones(1)) for i in range(6)])
    assert torch.allclose(losses.focal(LOGITS, LABELS, 2.0, weights), (rows * weights[LABELS]).mean())


def test_adam_takes_the_same_step_whatever_the_single_alpha() -> None:
    steps = []
    for alpha in (1.0, 0.25):
        weight = torch.nn.Parameter(torch.linspace(-1, 1, 35).reshape(5, 7))
        optimizer = torch.optim.Adam([weight], lr=0.1)
        for seed in range(3):
            features = torch.randn(6, 5, generator=torch.Generator().manual_seed(seed))
            optimizer.zero_grad()
            losses.focal(features @ weight, LABELS, 2.0, torch.tensor([alpha])).backward()
            optimizer.step()
        steps.append(weight.detach())
    assert torch.allclose(*steps, atol=1e-5)


def test_flip_consistency_is_0_for_equal_answers() -> None:
    assert losses.flip_consistency(LOGITS, LOGITS + 3.0) == pytest.approx(0, abs=1e-12)
    assert losses.flip_consistency(LOGITS, LOGITS.flip(1)) > 0

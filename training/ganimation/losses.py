"""Losses of the expression generators; each returns one number, the mean over the batch.

Sizes: B batch, H W rows and columns, K action units. Pictures are in [-1, 1] (`networks.scaled`), masks in [0, 1].
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F

PLAIN = 0.2  # a difference of a tenth of the range counts as a full one
SCALES = 3


def pair_difference(found_B3HW: Tensor, true_B3HW: Tensor, source_B3HW: Tensor, emphasis: float) -> Tensor:
    """Mean absolute difference; a pixel weighs up to 1 + `emphasis` where the truth differs from the source.

    Most of a pair is alike: without the weight, copying the source is already a good answer.
    """
    changed_B1HW = (true_B3HW - source_B3HW).abs().mean(1, keepdim=True)
    weight_B1HW = 1 + emphasis * (changed_B1HW / PLAIN).clamp(max=1.0)
    difference_B1HW = (found_B3HW - true_B3HW).abs().mean(1, keepdim=True)
    return (difference_B1HW * weight_B1HW).sum() / weight_B1HW.sum().clamp(min=1e-6)


def gradient_difference(found_B3HW: Tensor, true_B3HW: Tensor) -> Tensor:
    """Mean absolute difference of the horizontal and vertical gradients at full, half and quarter size, summed."""
    error = found_B3HW - true_B3HW
    total = variation(error)
    for _ in range(SCALES - 1):
        error = F.avg_pool2d(error, 2)
        total = total + variation(error)
    return total


def variation(x_BCHW: Tensor) -> Tensor:
    """Mean absolute difference of neighbours, along rows plus along columns (anisotropic total variation)."""
    down = (x_BCHW[:, :, 1:] - x_BCHW[:, :, :-1]).abs().mean()
    return down + (x_BCHW[..., 1:] - x_BCHW[..., :-1]).abs().mean()


def unit_error(found_BK: Tensor, wanted_BK: Tensor, readable_K: Tensor) -> Tensor:
    """Mean squared error over the units with `readable_K` 1; 0 if there is none. What is wanted is cut to [0, 1]."""
    squared_K = (found_BK - wanted_BK.clamp(0, 1)).square().mean(0)
    return (squared_K * readable_K).sum() / readable_K.sum().clamp(min=1)


def mask_hinge(mask_B1HW: Tensor, low: float, high: float) -> Tensor:
    """How far each mask's mean lies outside [low, high]: neither nothing nor everything may be repainted."""
    mean_B = mask_B1HW.mean((1, 2, 3))
    return (F.relu(low - mean_B) + F.relu(mean_B - high)).mean()


def hinge(real_B1HW: Tensor, made_B1HW: Tensor) -> Tensor:
    """The critic's hinge loss (Lim & Ye, 2017)."""
    return F.relu(1 - real_B1HW).mean() + F.relu(1 + made_B1HW).mean()


def squared_slope(verdict: Callable[[Tensor], Tensor], face_B3HW: Tensor) -> Tensor:
    """Half the squared gradient of each face's mean verdict (R1: Mescheder et al., ICML 2018)."""
    face_B3HW = face_B3HW.detach().requires_grad_(True)
    total = verdict(face_B3HW).mean((1, 2, 3)).sum()
    (slope_B3HW,) = torch.autograd.grad(total, face_B3HW, create_graph=True)
    return 0.5 * (slope_B3HW * 127.5).square().sum((1, 2, 3)).mean()


def unit_slope(verdict: Callable[[Tensor], Tensor], real_B3HW: Tensor, made_B3HW: Tensor, share_B: Tensor) -> Tensor:
    """(|gradient| - 1)² of the sum of the patches' verdicts, at mixtures (Gulrajani et al., NeurIPS 2017).

    Args:
        share_B: of the real face in each mixture, in [0, 1].
    """
    share_B111 = share_B[:, None, None, None]
    mixed_B3HW = (share_B111 * real_B3HW + (1 - share_B111) * made_B3HW).detach().requires_grad_(True)
    (slope_B3HW,) = torch.autograd.grad(verdict(mixed_B3HW).sum(), mixed_B3HW, create_graph=True)
    return ((slope_B3HW * 127.5).flatten(1).norm(dim=1) - 1).square().mean()

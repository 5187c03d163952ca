"""Losses of the landmarker; each returns one number, the mean over what is known in the batch (0 if nothing is).

Sizes: B batch, L landmarks, K action units. Landmarks and errors are in units of the crop's side.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional as F

PER_CENT = 100.0


def wing(found_BL2: Tensor, true_BL2: Tensor, weight_BL: Tensor, width: float, curve: float) -> Tensor:
    """Wing loss (Feng et al., CVPR 2018, eq. 5): logarithmic for errors under `width`, linear beyond.

    Args:
        weight_BL: 0 where the landmark is unknown; its true place may then be anything, NaN too.
        width, curve: in per cent of the crop's side.
    """
    distance = torch.nan_to_num(found_BL2 - true_BL2).abs() * PER_CENT
    offset = width - width * math.log1p(width / curve)
    each_BL = torch.where(distance < width, width * torch.log1p(distance / curve), distance - offset).mean(2)
    return (each_BL * weight_BL).sum() / weight_BL.sum().clamp(min=1e-6) / width


def unit_entropy(logits_BK: Tensor, true_BK: Tensor, weight_K: Tensor) -> Tensor:
    """Cross-entropy with the units' intensities; NaN is unknown.

    Its least is the expected intensity, as a squared error's, but its gradient does not vanish for a unit that is
    rarely active and so called 0 with confidence.
    """
    known = ~torch.isnan(true_BK)
    entropy_BK = F.binary_cross_entropy_with_logits(logits_BK, torch.nan_to_num(true_BK), reduction="none")
    return (entropy_BK * weight_K * known).sum() / known.sum().clamp(min=1)


def contrast(found_BK: Tensor, true_BK: Tensor, scene_B: Tensor, weight_K: Tensor) -> Tensor:
    """Squared error of the units between pictures of one scene: of found and true units alike, a scene's mean is taken
    off. Pictures of a scene differ in their expression only, so what is a head's own shape, which tells nothing of its
    expression but is most of what a single picture leaves open, cancels; NaN is unknown.
    """
    known_B = torch.isfinite(true_BK).all(1)
    if not known_B.any():
        return found_BK.sum() * 0
    error_BK = (found_BK - true_BK)[known_B]
    _, scene_B = torch.unique(scene_B[known_B], return_inverse=True)
    count_S = torch.bincount(scene_B).to(error_BK.dtype)
    mean_SK = error_BK.new_zeros(len(count_S), error_BK.shape[1]).index_add(0, scene_B, error_BK) / count_S[:, None]
    return ((error_BK - mean_SK[scene_B]).square() * weight_K).mean()


def unit_weights(units_NK: Tensor) -> Tensor:
    """[K], mean 1: what varies little among the training heads weighs more, by the root of its variance, at most
    threefold."""
    known = ~torch.isnan(units_NK)
    count = known.sum(0).clamp(min=1)
    values = torch.nan_to_num(units_NK)
    mean = values.sum(0) / count
    deviation = (((values - mean).square() * known).sum(0) / count).sqrt().clamp(min=1e-3)
    weight = (deviation.mean() / deviation).clamp(max=3.0)
    return weight / weight.mean()


def visibility(logit_B: Tensor, share_B: Tensor) -> Tensor:
    """Cross-entropy with the share of landmarks that can be seen."""
    return F.binary_cross_entropy_with_logits(logit_B, share_B)


def expected_error(log_error_B: Tensor, found_BL2: Tensor, true_BL2: Tensor, weight_BL: Tensor) -> Tensor:
    """Negative log-likelihood of the mean landmark error under an exponential distribution of the predicted mean.

    The error is taken as given: calling an error large must not be a way to leave the landmarks wrong.
    """
    distance_BL = torch.nan_to_num(found_BL2.detach() - true_BL2).norm(dim=2)
    total_B = weight_BL.sum(1)
    known_B = (total_B > 0).float()
    error_B = (distance_BL * weight_BL).sum(1) / total_B.clamp(min=1e-6)
    each_B = error_B * torch.exp(-log_error_B.clamp(min=-8.0)) + log_error_B
    return (each_B * known_B).sum() / known_B.sum().clamp(min=1)

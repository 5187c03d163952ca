"""Losses over K expressions. Each takes logits [B, K] and returns one number, the mean over the batch."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F


def soft_cross_entropy(logits_BK: Tensor, target_BK: Tensor) -> Tensor:
    """Cross-entropy with a distribution: the annotators' shares of votes (Barsoum et al., ICMI 2016, "PLD"). A row of
    zeros has no target and does not count."""
    return -(target_BK * F.log_softmax(logits_BK, dim=1)).sum() / target_BK.sum().clamp(min=1)


def focal(logits_BK: Tensor, label_B: Tensor, gamma: float, alpha_K: Tensor) -> Tensor:
    """Focal loss (Lin et al., ICCV 2017, eq. 5) for several classes: -alpha_y (1 - p_y)^gamma log p_y.

    Args:
        alpha_K: one weight per class, or a single one. The .25 of RetinaNet is the weight of the foreground
            against the background of a two-class problem; a single weight in a softmax over K classes multiplies the
            whole loss, which Adam's normalisation cancels (up to its epsilon) and which under SGD is a smaller
            learning rate.
    """
    log_p_B = F.log_softmax(logits_BK, dim=1).gather(1, label_B.unsqueeze(1)).squeeze(1)
    weight_B = alpha_K[label_B] if alpha_K.numel() > 1 else alpha_K
    return -(weight_B * (1 - log_p_B.exp()) ** gamma * log_p_B).mean()


def flip_consistency(logits_BK: Tensor, mirrored_BK: Tensor) -> Tensor:
    """Mean squared distance of a face's probabilities from its mirror image's (after EAC, Zhang et al., ECCV 2022)."""
    return (torch.softmax(logits_BK, 1) - torch.softmax(mirrored_BK, 1)).square().sum(1).mean()

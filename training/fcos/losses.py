"""The detector's three losses: how sure, where, and the points. See `assignment.py` for which place answers for what.

Sources: quality focal loss, Li et al., "Generalized Focal Loss", NeurIPS 2020, eq. 2; generalised IoU, Rezatofighi et
al., CVPR 2019. Each sum is divided by the wanted scores of the whole batch, as there.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from training.fcos.assignment import Assignment, Targets

WEIGHTS = {"score": 1.0, "box": 2.0, "points": 1.0}
LEAST_QUALITY = 0.2  # what a place's score is asked to reach at least, however badly its box still fits


def detection_losses(
    logits_BL: Tensor, ltrb_BL4: Tensor, points_BLP2: Tensor, centres_L2: Tensor, targets: Targets, assigned: Assignment
) -> dict[str, Tensor]:
    """`score`, `box` and `points`, already weighted, from the network's raw answers."""
    rows, place = torch.nonzero(assigned.face >= 0, as_tuple=True)
    face = assigned.face[rows, place]
    wanted_N4, wanted_NP2 = targets.boxes[rows, face], targets.points[rows, face]
    distances_N4, centre_N2 = ltrb_BL4[rows, place], centres_L2[place]
    found_N4 = torch.cat([centre_N2 - distances_N4[:, :2], centre_N2 + distances_N4[:, 2:]], 1)
    iou_N, giou_N = overlap(found_N4, wanted_N4)

    quality_BL = torch.zeros_like(logits_BL)
    quality_BL[rows, place] = iou_N.detach().clamp(min=LEAST_QUALITY)
    total = quality_BL.sum().clamp(min=1.0)
    score = (quality_focal(logits_BL, quality_BL) * assigned.counted).sum() / total
    box = ((1 - giou_N) * quality_BL[rows, place]).sum() / total
    size_N = (wanted_N4[:, 2:] - wanted_N4[:, :2]).clamp(min=1.0).prod(1).sqrt()
    offset_NP2 = (centre_N2[:, None] + points_BLP2[rows, place] - wanted_NP2) / size_N[:, None, None]
    known_NP2 = torch.isfinite(wanted_NP2)
    misses = F.smooth_l1_loss(
        torch.where(known_NP2, offset_NP2, 0.0), torch.zeros_like(offset_NP2), beta=0.05, reduction="none"
    )
    points = (misses.mean((1, 2)) * quality_BL[rows, place]).sum() / total * 10  # of the order of the other two
    return {"score": WEIGHTS["score"] * score, "box": WEIGHTS["box"] * box, "points": WEIGHTS["points"] * points}


def quality_focal(logits: Tensor, quality: Tensor, beta: float = 2.0) -> Tensor:
    """Element by element: cross-entropy with a wanted score in [0, 1], times |wanted - found| ** beta."""
    entropy = F.binary_cross_entropy_with_logits(logits, quality, reduction="none")
    return (quality - torch.sigmoid(logits)).abs() ** beta * entropy


def overlap(one_N4: Tensor, other_N4: Tensor) -> tuple[Tensor, Tensor]:
    """Intersection over union, and its generalised form in (-1, 1], row by row; boxes left, top, right, bottom."""

    def area(low: Tensor, high: Tensor) -> Tensor:
        return (high - low).clamp(min=0).prod(1)

    both = area(torch.maximum(one_N4[:, :2], other_N4[:, :2]), torch.minimum(one_N4[:, 2:], other_N4[:, 2:]))
    union = area(one_N4[:, :2], one_N4[:, 2:]) + area(other_N4[:, :2], other_N4[:, 2:]) - both
    around = area(torch.minimum(one_N4[:, :2], other_N4[:, :2]), torch.maximum(one_N4[:, 2:], other_N4[:, 2:]))
    iou = both / union.clamp(min=1e-6)
    return iou, iou - (around - union) / around.clamp(min=1e-6)

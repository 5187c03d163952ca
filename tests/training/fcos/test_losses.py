"""Losses are least where the answer is right, and unknown points teach nothing."""

from __future__ import annotations

import torch

from training.fcos import networks
from training.fcos.assignment import Targets, assign
from training.fcos.losses import detection_losses, overlap, quality_focal

CENTRES, STRIDES = networks.places(128, 128)
BOX = torch.tensor([[[30.0, 40, 70, 90]]])
POINTS = torch.tensor([[[[40.0, 55], [60, 55], [50, 65], [42, 75], [58, 75]]]])


def losses(shift: float, points: torch.Tensor, confidence: float = 8.0) -> dict[str, torch.Tensor]:
    targets = Targets(BOX, points, torch.ones(1, 1, dtype=torch.int64))
    assigned = assign(targets, CENTRES, STRIDES)
    ltrb = torch.cat([CENTRES - BOX[0, 0, :2], BOX[0, 0, 2:] - CENTRES], 1)[None] + shift
    offsets = (POINTS[0, 0] - CENTRES[:, None])[None] + shift
    logits = torch.where(assigned.face >= 0, confidence, -confidence)
    return detection_losses(logits, ltrb, offsets, CENTRES, targets, assigned)


def test_the_right_answer_costs_nothing_and_a_wrong_one_more() -> None:
    right, near, wrong = (losses(shift, POINTS) for shift in (0.0, 2.0, 8.0))
    for name in ("box", "points"):
        assert right[name] < 1e-5 < near[name] < wrong[name]
    assert right["score"] < 1e-3 < losses(0.0, POINTS, -8.0)["score"]


def test_unknown_points_cost_nothing_and_leave_no_gradient_that_is_not_a_number() -> None:
    targets = Targets(BOX, torch.full_like(POINTS, torch.nan), torch.ones(1, 1, dtype=torch.int64))
    offsets = torch.zeros(1, len(CENTRES), 5, 2, requires_grad=True)
    logits, ltrb = torch.zeros(1, len(CENTRES)), torch.ones(1, len(CENTRES), 4)
    found = detection_losses(logits, ltrb, offsets, CENTRES, targets, assign(targets, CENTRES, STRIDES))["points"]
    found.backward()
    assert found.item() == 0
    assert (offsets.grad == 0).all()


def test_a_canvas_without_a_face_still_teaches_the_score() -> None:
    targets = Targets(torch.zeros(1, 1, 4), torch.zeros(1, 1, 5, 2), torch.zeros(1, 1, dtype=torch.int64))
    assigned = assign(targets, CENTRES, STRIDES)
    raw = torch.zeros(1, len(CENTRES)), torch.ones(1, len(CENTRES), 4), torch.zeros(1, len(CENTRES), 5, 2)
    found = detection_losses(*raw, CENTRES, targets, assigned)
    assert found["score"] > 0
    assert found["box"] == found["points"] == 0


def test_overlap_of_equal_halved_and_distant_boxes() -> None:
    one = torch.tensor([[0.0, 0, 4, 4]]).repeat(3, 1)
    iou, generalised = overlap(one, torch.tensor([[0.0, 0, 4, 4], [0, 0, 4, 2], [8, 0, 12, 4]]))
    assert iou.tolist() == [1.0, 0.5, 0.0]
    assert generalised[0] == 1
    assert generalised[2] < 0


def test_the_score_is_asked_for_the_quality_of_its_box() -> None:
    wanted = torch.full((3,), 0.7)
    costs = quality_focal(torch.logit(torch.tensor([0.3, 0.7, 0.95])), wanted)
    assert costs.argmin() == 1
    assert costs[1] < 1e-6

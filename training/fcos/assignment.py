"""Which place answers for which face: FCOS's centre sampling and size ranges, all faces of a batch at once.

Sizes: B batch, M faces at most per canvas (absent ones are padding), L places, P points. Boxes are left, top, right,
bottom in pixels of the canvas.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

# Root of the face's area that a stride answers for, in pixels; ranges overlap, so that no size falls between levels.
RANGES_PX = {8.0: (0.0, 56.0), 16.0: (36.0, 128.0), 32.0: (88.0, 1e5)}
RADIUS = 1.5  # strides around the centre in which places count as the face's


@dataclass(frozen=True, slots=True)
class Targets:
    """What is true of a batch of canvases.

    Attributes:
        boxes: [B, M, 4] left, top, right, bottom.
        points: [B, M, P, 2], NaN where unknown.
        kinds: [B, M] int64: 1 a face, -1 a region that says nothing, 0 padding.
    """

    boxes: Tensor
    points: Tensor
    kinds: Tensor


@dataclass(frozen=True, slots=True)
class Assignment:
    """`face` [B, L] int64: the face of each place, or -1 where there is none. `counted` [B, L] bool: whether the
    place's score is judged at all."""

    face: Tensor
    counted: Tensor


def assign(targets: Targets, centres_L2: Tensor, strides_L: Tensor) -> Assignment:
    """Every face gets the places near its centre on the levels of its size; the smaller of two faces wins a place."""
    left, top, right, bottom = targets.boxes.unsqueeze(1).unbind(-1)  # each [B, 1, M]
    x, y = centres_L2[:, 0, None], centres_L2[:, 1, None]  # [L, 1]
    inside_BLM = (x > left) & (x < right) & (y > top) & (y < bottom)
    reach_L1 = RADIUS * strides_L[:, None]
    across = torch.maximum((x - (left + right) / 2).abs(), (y - (top + bottom) / 2).abs())
    # A face of less than a stride may hold no centre of a place at all: then the nearest place is its own.
    near_BLM = (across < reach_L1) & (inside_BLM | (across <= strides_L[:, None] / 2))
    size_BLM = ((right - left).clamp(min=0) * (bottom - top).clamp(min=0)).sqrt().expand_as(across)
    smallest = strides_L.new_tensor([RANGES_PX[float(stride)][0] for stride in strides_L])[:, None]
    largest = strides_L.new_tensor([RANGES_PX[float(stride)][1] for stride in strides_L])[:, None]
    own_BLM = near_BLM & (size_BLM >= smallest) & (size_BLM < largest) & (targets.kinds == 1).unsqueeze(1)
    area, face = torch.where(own_BLM, size_BLM, torch.inf).min(2)
    taken_BL = torch.isfinite(area)
    ignored_BL = (inside_BLM & (targets.kinds == -1).unsqueeze(1)).any(2)
    return Assignment(torch.where(taken_BL, face, -1), taken_BL | ~ignored_BL)

"""A closer look: what the stem saw of eyes, nose and mouth, twice as fine as the heat maps, read where these lie.

The trunk's maps blur lids and lips: an eye is two cells wide. Here each part is cut out of the stem's map where the
heat maps found it; a small network corrects the part's landmarks and tells the action units what it looks like. Both
eyes share one network, the left one's picture mirrored. Stages that refine the former's landmarks from parts of the
picture: Sun, Wang & Tang, "Deep convolutional network cascade for facial point detection", CVPR 2013; parts sampled by
a grid: Jaderberg et al., "Spatial transformer networks", NeurIPS 2015.

Sizes: B batch, C = 64 channels of the stem, H rows and columns of its map, L = 68 landmarks, N landmarks of a part,
F = 256 features of a part, P = 16 cells along a part's side, Q = 4 parts.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from training.arm.networks import BasicBlock
from training.clay.corpus import MIRROR

CELLS = 16
FEATURES = 256  # 4 x 4 cells of 16 channels
PARTS = 4
# A part: its landmarks (of 68), and the side of its square in root mean square distances of all landmarks from their
# middle (a third of √(box area)).
EYE = (17, 18, 19, 20, 21, 36, 37, 38, 39, 40, 41)  # the person's right one, with its brow
OTHER_EYE = tuple(int(MIRROR[at]) for at in EYE)
NOSE = tuple(range(27, 36))
MOUTH = (6, 7, 8, 9, 10, *range(48, 68))
CHOSEN = (EYE, OTHER_EYE, NOSE, MOUTH)
SIDES = (1.25, 1.25, 1.8, 1.8)

# While training a part is cut as much beside its place and as much too large or small (deviations, in its sides).
_SHIFT, _GROWTH = 0.04, 0.06


class Part(nn.Module):
    """A part of the stem's map [B, C, P, P] → what it looks like [B, F, 1, 1], and how far its landmarks lie from where
    the heat maps saw them [B, N, 2], in units of the part's side; not at all as long as nothing is learnt."""

    def __init__(self, landmarks: int) -> None:
        super().__init__()
        self.blocks = nn.Sequential(BasicBlock(64, 64, 2), BasicBlock(64, 64, 1), BasicBlock(64, 64, 2))
        self.squeeze = nn.Sequential(nn.Conv2d(64, FEATURES // 16, 1, bias=False), nn.BatchNorm2d(16), nn.ReLU())
        self.offset = nn.Sequential(nn.Conv2d(FEATURES, 2 * landmarks, 1))
        nn.init.zeros_(self.offset[0].weight)
        nn.init.zeros_(self.offset[0].bias)

    def forward(self, map_BCPP: Tensor) -> tuple[Tensor, Tensor]:
        features_BF11 = self.squeeze(self.blocks(map_BCPP)).flatten(1)[:, :, None, None].float()
        return features_BF11, self.offset(features_BF11).float().flatten(1).unflatten(1, (-1, 2))


class Closer(nn.Module):
    """The stem's map [B, C, H, H] and the heat maps' landmarks [B, L, 2] in units of the crop's side → what the four
    parts look like [B, 4 F, 1, 1], and how far the landmarks are off [B, L, 2]: 0 for the jaw's sides, which no part
    has."""

    def __init__(self) -> None:
        super().__init__()
        self.eye, self.nose, self.mouth = Part(len(EYE)), Part(len(NOSE)), Part(len(MOUTH))
        steps_P = (torch.arange(CELLS) + 0.5) / CELLS - 0.5
        across_QP = torch.stack([steps_P, -steps_P, steps_P, steps_P])  # the left eye is seen mirrored
        self.register_buffer("sides", torch.tensor(SIDES), persistent=False)
        self.register_buffer("steps", steps_P, persistent=False)
        self.register_buffer("steps_across", across_QP, persistent=False)
        self.register_buffer("across", torch.tensor([-1.0, 1.0]), persistent=False)

    def forward(self, map_BCHH: Tensor, landmarks_BL2: Tensor) -> tuple[Tensor, Tensor]:
        apart_BL2 = landmarks_BL2 - landmarks_BL2.mean(1, keepdim=True)
        size_B1 = (apart_BL2 * apart_BL2).sum(2).mean(1, keepdim=True).clamp(min=1e-8).sqrt()
        middle_BQ2 = torch.stack([landmarks_BL2[:, chosen].mean(1) for chosen in CHOSEN], 1)
        side_BQ = size_B1 * self.sides
        if self.training:
            side_BQ = side_BQ * torch.exp(_GROWTH * torch.randn_like(side_BQ))
            middle_BQ2 = middle_BQ2 + _SHIFT * side_BQ.unsqueeze(2) * torch.randn_like(middle_BQ2)
        right, left, nose, mouth = self.cut(map_BCHH, middle_BQ2, side_BQ).unbind(2)
        # both eyes as one batch, so that the graph has their network once
        seen_both, offset_both = (each.unflatten(0, (2, -1)) for each in self.eye(torch.cat([right, left])))
        seen_nose, offset_nose = self.nose(nose)
        seen_mouth, offset_mouth = self.mouth(mouth)
        offsets = (offset_both[0], offset_both[1] * self.across, offset_nose, offset_mouth)
        correction_BL2 = torch.zeros_like(landmarks_BL2)
        for at, (offset_BN2, chosen) in enumerate(zip(offsets, CHOSEN, strict=True)):
            correction_BL2 = correction_BL2 + _placed(offset_BN2 * side_BQ[:, at, None, None], chosen)
        return torch.cat([seen_both[0], seen_both[1], seen_nose, seen_mouth], 1), correction_BL2

    def cut(self, map_BCHH: Tensor, middle_BQ2: Tensor, side_BQ: Tensor) -> Tensor:
        """The Q = 4 squares [B, C, Q, P, P] about `middle_BQ2` of `side_BQ`, in units of the crop's side, interpolated
        linearly; beyond the crop its border is repeated."""
        x_BQP = middle_BQ2[:, :, :1] + side_BQ.unsqueeze(2) * self.steps_across
        y_BQP = middle_BQ2[:, :, 1:] + side_BQ.unsqueeze(2) * self.steps
        x_BQPP, y_BQPP = x_BQP.unsqueeze(2).expand(-1, -1, CELLS, -1), y_BQP.unsqueeze(3).expand(-1, -1, -1, CELLS)
        places_BQPP2 = 2 * torch.stack([x_BQPP, y_BQPP], 4) - 1  # the sampler's run from -1 to 1
        how = {"padding_mode": "border", "align_corners": False}
        cut_BCRP = F.grid_sample(map_BCHH.float(), places_BQPP2.flatten(1, 2), **how)
        return cut_BCRP.unflatten(2, (PARTS, CELLS))


def _placed(offset_BN2: Tensor, chosen: tuple[int, ...]) -> Tensor:
    """[B, N, 2] at the chosen of 68 places, 0 elsewhere, as a product, which any runtime has."""
    places_LN = torch.zeros(len(MIRROR), len(chosen), device=offset_BN2.device)
    places_LN[list(chosen), torch.arange(len(chosen))] = 1
    return places_LN @ offset_BN2

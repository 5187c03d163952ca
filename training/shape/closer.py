"""A closer look: the landmarker's second stage, which sees eyes, nose and mouth at the crop's full resolution.

The trunk sees the crop at half its resolution and blurs lids and lips away; here a small network of its own looks at
each part where the trunk found it, corrects that part's landmarks, and tells the action units what it sees. Both eyes
share one network, the left one's picture mirrored. Stages that refine the former's landmarks from parts of the picture:
Sun, Wang & Tang, "Deep convolutional network cascade for facial point detection", CVPR 2013; parts cut by two small
matrices: Gregor et al., "DRAW", ICML 2015.

Sizes: B batch, L = 68 landmarks, N landmarks of a part, F = 96 features of a part, P = 48 pixels along a part's side.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from training.arm.networks import BasicBlock, standardise
from training.clay.corpus import MIRROR

PART_PX = 48
FEATURES = 96
# A part: its landmarks (of 68), and the side of its square in root mean square distances of all landmarks from their
# middle (a third of √(box area)).
EYE = (17, 18, 19, 20, 21, 36, 37, 38, 39, 40, 41)  # the person's right one, with its brow
OTHER_EYE = tuple(int(MIRROR[at]) for at in EYE)
NOSE = tuple(range(27, 36))
MOUTH = (6, 7, 8, 9, 10, *range(48, 68))
EYE_SIDE, NOSE_SIDE, MOUTH_SIDE = 1.25, 1.8, 1.8



# While training a part is cut as much beside its place and as much too large or small (deviations, in its sides).
_SHIFT, _GROWTH = 0.05, 0.08


class Part(nn.Module):
    """Luma [B, 1, P, P] of a part → what it looks like [B, F], and how far its landmarks lie from where the trunk saw
    them [B, N, 2], in units of the part's side; not at all as long as nothing is learnt."""

    def __init__(self, landmarks: int) -> None:
        super().__init__()
        self.stem = nn.Sequential(
            nn.Conv2d(1, 12, 3, 1, 1, bias=False), nn.BatchNorm2d(12), nn.ReLU(),
            nn.Conv2d(12, 24, 3, 2, 1, bias=False), nn.BatchNorm2d(24), nn.ReLU(),
        )  # fmt: skip
        self.blocks = nn.Sequential(BasicBlock(24, 24, 1), BasicBlock(24, 48, 2), BasicBlock(48, 64, 2))
        self.squeeze = nn.Sequential(nn.Conv2d(64, 24, 1, bias=False), nn.BatchNorm2d(24), nn.ReLU())
        self.features = nn.Sequential(
            nn.Conv2d(24, FEATURES, PART_PX // 8, bias=False), nn.BatchNorm2d(FEATURES), nn.ReLU()
        )
        self.offset = nn.Sequential(nn.Conv2d(FEATURES, 2 * landmarks, 1))
        nn.init.zeros_(self.offset[0].weight)
        nn.init.zeros_(self.offset[0].bias)

    def forward(self, luma_B1PP: Tensor) -> tuple[Tensor, Tensor]:
        features_BF11 = self.features(self.squeeze(self.blocks(self.stem(standardise(luma_B1PP)))))
        return features_BF11.flatten(1), self.offset(features_BF11).float().flatten(1).unflatten(1, (-1, 2))


class Closer(nn.Module):
    """Luma [B, 1, H, H] in [0, 255] and the trunk's landmarks [B, L, 2] in units of its side → what the four parts
    look like [B, 4 F], and how far the landmarks are off [B, L, 2]: 0 for the jaw's sides, which no part has."""

    def __init__(self) -> None:
        super().__init__()
        self.eye, self.nose, self.mouth = Part(len(EYE)), Part(len(NOSE)), Part(len(MOUTH))
        self.register_buffer("steps", (torch.arange(PART_PX) + 0.5) / PART_PX - 0.5, persistent=False)

    def forward(self, luma_B1HH: Tensor, landmarks_BL2: Tensor) -> tuple[Tensor, Tensor]:
        apart_BL2 = landmarks_BL2 - landmarks_BL2.mean(1, keepdim=True)
        size_B1 = apart_BL2.square().sum(2).mean(1, keepdim=True).sqrt()
        features, correction_BL2 = [], torch.zeros_like(landmarks_BL2)
        for part, chosen, side, mirrored in (
            (self.eye, EYE, EYE_SIDE, False),
            (self.eye, OTHER_EYE, EYE_SIDE, True),
            (self.nose, NOSE, NOSE_SIDE, False),
            (self.mouth, MOUTH, MOUTH_SIDE, False),
        ):
            middle_B2, side_B1 = landmarks_BL2[:, chosen].mean(1), size_B1 * side
            if self.training:
                side_B1 = side_B1 * torch.exp(_GROWTH * torch.randn_like(side_B1))
                middle_B2 = middle_B2 + _SHIFT * side_B1 * torch.randn_like(middle_B2)
            seen_BF, offset_BN2 = part(self.cut(luma_B1HH, middle_B2, side_B1, mirrored))
            if mirrored:
                offset_BN2 = torch.stack([-offset_BN2[:, :, 0], offset_BN2[:, :, 1]], 2)
            features.append(seen_BF)
            correction_BL2 = correction_BL2 + _placed(offset_BN2 * side_B1.unsqueeze(2), chosen)
        return torch.cat(features, 1), correction_BL2

    def cut(self, luma_B1HH: Tensor, middle_B2: Tensor, side_B1: Tensor, mirrored: bool) -> Tensor:
        """The squares [B, 1, P, P] about `middle_B2` of `side_B1`, in units of the crop's side. A pixel is a mean under
        a triangle as wide as the distance to its neighbours; beyond the crop its border is repeated."""
        steps_P = -self.steps if mirrored else self.steps
        across_BPH = self._weights(middle_B2[:, :1] + side_B1 * steps_P, side_B1, luma_B1HH.shape[-1])
        down_BPH = self._weights(middle_B2[:, 1:] + side_B1 * self.steps, side_B1, luma_B1HH.shape[-1])
        return (down_BPH @ luma_B1HH[:, 0] @ across_BPH.transpose(1, 2)).unsqueeze(1)

    def _weights(self, places_BP: Tensor, side_B1: Tensor, side_px: int) -> Tensor:
        pixels_H = torch.arange(side_px, device=places_BP.device) + 0.5
        width_B11 = (side_B1 * side_px / PART_PX).clamp(min=1.0).unsqueeze(2)
        inside_BP1 = (places_BP * side_px).clamp(0.5, side_px - 0.5).unsqueeze(2)
        weight_BPH = F.relu(1 - (inside_BP1 - pixels_H).abs() / width_B11)
        return weight_BPH / weight_BPH.sum(2, keepdim=True)


def _placed(offset_BN2: Tensor, chosen: tuple[int, ...]) -> Tensor:
    """[B, N, 2] at the chosen of 68 places, 0 elsewhere, as a product, which any runtime has."""
    places_LN = torch.zeros(len(MIRROR), len(chosen), device=offset_BN2.device)
    places_LN[list(chosen), torch.arange(len(chosen))] = 1
    return places_LN @ offset_BN2

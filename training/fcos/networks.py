"""The face detector: one stage, no anchors, strides 8, 16 and 32, and the graph that is served.

Sizes: B batch, C channels, H W rows and columns, L = places of all levels together (2,100 on a canvas of 320), P = 5
points. Inside `training/` a canvas is luma in [0, 255], `luma_B1HW` float32: a statue's colour says nothing. Boxes are
`x, y, width, height` here only at the very end; in between they are left, top, right, bottom (`ltrb`) in pixels.

After FCOS (Tian et al., ICCV 2019, arXiv 1904.01355) with what SCRFD and YuNet found enough for faces: a thin network,
three levels, a score that predicts how well its box fits (generalised focal loss, arXiv 2006.04388).
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

STRIDES_PX = (8, 16, 32)
POINTS = 5
CANDIDATES = 200  # what the served graph returns
LUMA_WEIGHTS = (0.299, 0.587, 0.114)  # ITU-R BT.601
TIE_BREAK = 1e-5  # of a logit, from one place to the next: .005 of a score between the first and the last
RARE = 0.01  # the share of places that hold a face, where training starts (Lin et al., ICCV 2017, section 4.1)


class Separable(nn.Module):
    """Depthwise convolution, then 1x1; the input is added where the shapes allow. [B, in, H, W] → [B, out, H/s, W/s]"""

    def __init__(self, in_channels: int, out_channels: int, stride: int = 1, kernel: int = 3) -> None:
        super().__init__()
        self.residual = stride == 1 and in_channels == out_channels
        near = kernel // 2
        self.depthwise = nn.Conv2d(in_channels, in_channels, kernel, stride, near, groups=in_channels, bias=False)
        self.bn1 = nn.BatchNorm2d(in_channels)
        self.pointwise = nn.Conv2d(in_channels, out_channels, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(out_channels)

    def forward(self, x_BCHW: Tensor) -> Tensor:
        y = F.relu(self.bn2(self.pointwise(F.relu(self.bn1(self.depthwise(x_BCHW))))))
        return x_BCHW + y if self.residual else y


def plain(in_channels: int, out_channels: int, kernel: int = 3, stride: int = 1) -> nn.Sequential:
    """Convolution, batch norm, ReLU."""
    return nn.Sequential(
        nn.Conv2d(in_channels, out_channels, kernel, stride, kernel // 2, bias=False),
        nn.BatchNorm2d(out_channels),
        nn.ReLU(),
    )


class Detector(nn.Module):
    """Luma [B, 1, H, W] (H and W multiples of 32) → raw answers of every place, level by level, row by row.

    Returns:
        logits [B, L]; ltrb [B, L, 4] distances in pixels from the place to the box's sides, not negative;
        points [B, L, P, 2] in pixels from the place.
    """

    def __init__(self, width: int = 64) -> None:
        super().__init__()
        self.stem = nn.Sequential(plain(1, 16, 3, 2), plain(16, 24, 3, 2))  # the costly quarter: thin and plain
        self.stages = nn.ModuleList(
            [
                nn.Sequential(Separable(24, 64, 2), *(Separable(64, 64) for _ in range(3))),
                nn.Sequential(Separable(64, 128, 2), *(Separable(128, 128, kernel=5) for _ in range(3))),
                nn.Sequential(Separable(128, 160, 2), *(Separable(160, 160, kernel=5) for _ in range(3))),
            ]
        )
        self.laterals = nn.ModuleList(plain(channels, width, 1) for channels in (64, 128, 160))
        self.merges = nn.ModuleList(Separable(width, width) for _ in STRIDES_PX)
        # Levels share no weights: a face of 12 px and one of 300 px look different, and separate heads cost nothing.
        self.towers = nn.ModuleList(
            nn.Sequential(Separable(width, width, kernel=5), Separable(width, width, kernel=5)) for _ in STRIDES_PX
        )
        self.answers = nn.ModuleList(nn.Conv2d(width, 1 + 4 + 2 * POINTS, 1) for _ in STRIDES_PX)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out" if module.groups == 1 else "fan_in")
        for answer in self.answers:
            nn.init.normal_(answer.weight, std=0.01)
            nn.init.zeros_(answer.bias)
            nn.init.constant_(answer.bias[:1], -math.log((1 - RARE) / RARE))
            nn.init.constant_(answer.bias[1:5], 1.0)

    def forward(self, luma_B1HW: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        x = self.stem((luma_B1HW - 128) / 64)
        features = []
        for stage in self.stages:
            x = stage(x)
            features.append(x)
        levels = [lateral(feature) for lateral, feature in zip(self.laterals, features, strict=True)]
        for fine in (1, 0):
            levels[fine] = levels[fine] + F.interpolate(levels[fine + 1], scale_factor=2.0, mode="nearest")
        raw = []
        for level, merge, tower, answer, stride_px in zip(
            levels, self.merges, self.towers, self.answers, STRIDES_PX, strict=True
        ):
            answered_BCHW = answer(tower(merge(level))).float()
            raw.append(_scaled(answered_BCHW.flatten(2).transpose(1, 2), stride_px))
        logits_BL, ltrb_BL4, points_BL10 = (torch.cat(parts, 1) for parts in zip(*raw, strict=True))
        return logits_BL, ltrb_BL4, points_BL10.unflatten(2, (POINTS, 2))


def _scaled(answered_BLC: Tensor, stride_px: int) -> tuple[Tensor, Tensor, Tensor]:
    """A level's channels as logits, distances and offsets, in pixels of the canvas.

    A face on a level measures about 2 to 12 strides, so distances of the order of 1 come out as about that much.
    """
    ltrb = F.softplus(answered_BLC[..., 1:5]) * (2 * stride_px)
    return answered_BLC[..., 0], ltrb, answered_BLC[..., 5:] * (2 * stride_px)


def places(height_px: int, width_px: int) -> tuple[Tensor, Tensor]:
    """Where the answers stand: centres [L, 2] (x, y) in pixels, and the stride [L] of each, in the network's order."""
    centres, strides = [], []
    for stride_px in STRIDES_PX:
        rows, columns = height_px // stride_px, width_px // stride_px
        y, x = torch.meshgrid(torch.arange(rows), torch.arange(columns), indexing="ij")
        centres.append((torch.stack([x, y], -1).reshape(-1, 2) + 0.5) * stride_px)
        strides.append(torch.full((rows * columns,), float(stride_px)))
    return torch.cat(centres), torch.cat(strides)


class ServedDetector(nn.Module):
    """What is exported: uint8 RGB canvases [B, 320, 320, 3] → the 200 surest candidates, not suppressed.

    Returns:
        boxes [B, 200, 4] x, y, width, height; scores [B, 200] in [0, 1], falling; points [B, 200, 5, 2] x, y; pixels.
    """

    def __init__(self, detector: nn.Module, side_px: int = 320) -> None:
        super().__init__()
        self.detector = detector
        centres, _ = places(side_px, side_px)
        self.register_buffer("centres", centres)
        self.candidates = min(CANDIDATES, len(centres))
        # On an even ground many places score the same, and which of them are the 200 would be up to rounding.
        self.register_buffer("handicap", torch.arange(len(centres)) * TIE_BREAK)
        self.register_buffer("luma_weights", torch.tensor(LUMA_WEIGHTS))

    def forward(self, images_BHWC: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        luma_B1HW = (images_BHWC.float() * self.luma_weights).sum(-1).unsqueeze(1)
        logits_BL, ltrb_BL4, points_BLP2 = self.detector(luma_B1HW)
        scores_BK, chosen_BK = torch.topk(torch.sigmoid(logits_BL - self.handicap), self.candidates, dim=1)
        boxes_BL4 = torch.cat([self.centres - ltrb_BL4[..., :2], ltrb_BL4[..., :2] + ltrb_BL4[..., 2:]], -1)
        points_BLC = (self.centres[:, None] + points_BLP2).flatten(2)
        both_BLC = torch.cat([boxes_BL4, points_BLC], -1)
        both_BKC = torch.gather(both_BLC, 1, chosen_BK.unsqueeze(-1).expand(-1, -1, 4 + 2 * POINTS))
        return both_BKC[..., :4], scores_BK, both_BKC[..., 4:].unflatten(2, (POINTS, 2))


def served(detector: nn.Module) -> ServedDetector:
    """The network as it is exported, in evaluation mode."""
    return ServedDetector(detector).eval()

"""Augmentation of a batch of luma faces, on whatever device the batch is on.

One affine resampling does placement, size and enlargement at once; then tone, sharpness, noise, erasing. The range of
placement and size is set by what the served detector does to a face (its box moves and grows from photo to photo), see
`docs/framing.md`; sharpness spans from a 24-px face enlarged to a large photo made small.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

COARSE_PX = (64, 40, 28)


@dataclass(frozen=True, slots=True)
class Augmentation:
    """How far each thing varies; 0 turns it off.

    Attributes:
        rotate_deg: standard deviation of the in-plane rotation.
        scale: standard deviation of the log of the size.
        stretch: standard deviation of the log of the width-to-height ratio.
        shift: standard deviation of the displacement, as a share of the side.
        flip: probability of a mirror image.
        tone: strength of gamma and contrast curves.
        coarse: share of the faces that are made of as few pixels as `COARSE_PX` a side.
        sharpness: strength of sharpening or blurring.
        noise: largest standard deviation of added noise, of 255.
        erase: probability of one erased rectangle.
        erase_area: largest share of the face that is erased.
    """

    rotate_deg: float = 8.0
    scale: float = 0.1
    stretch: float = 0.05
    shift: float = 0.04
    flip: float = 0.5
    tone: float = 0.3
    coarse: float = 0.0
    sharpness: float = 1.0
    noise: float = 8.0
    erase: float = 0.5
    erase_area: float = 0.15


def resample(faces_B1HW: Tensor, theta_B23: Tensor, side_px: int) -> Tensor:
    """Sample a square of `side_px` through a map from output to input, both in [-1, 1]; the border is repeated."""
    # torch's `affine_grid` is the same product, ten times as slow on a CPU
    at_S = (2 * torch.arange(side_px, device=faces_B1HW.device) + 1) / side_px - 1
    theta_23B11 = theta_B23.permute(1, 2, 0)[..., None, None]
    places_2BSS = [row[0] * at_S + row[1] * at_S.unsqueeze(1) + row[2] for row in theta_23B11]
    grid_BSS2 = torch.stack(places_2BSS, 3)
    return F.grid_sample(faces_B1HW, grid_BSS2, mode="bilinear", padding_mode="border", align_corners=False)


def resize(faces_B1HW: Tensor, side_px: int) -> Tensor:
    """Bilinear, half-pixel centres: what OpenCV's INTER_LINEAR does when it enlarges."""
    return F.interpolate(faces_B1HW, size=(side_px, side_px), mode="bilinear", align_corners=False, antialias=True)


def coarsen(faces_B1HW: Tensor, share: float) -> Tensor:
    """The first `share` of the rows, in equal parts, made as small as `COARSE_PX` and enlarged again; the rows of a
    training batch are in random order."""
    side_px, count = faces_B1HW.shape[-1], int(len(faces_B1HW) * share / len(COARSE_PX))
    if not count:
        return faces_B1HW
    parts = [
        resize(resize(faces_B1HW[at * count : (at + 1) * count], small_px), side_px)
        for at, small_px in enumerate(COARSE_PX)
    ]
    return torch.cat([*parts, faces_B1HW[count * len(parts) :]])


def augment(faces_B1HW: Tensor, side_px: int, how: Augmentation, generator: torch.Generator) -> Tensor:
    """Luma [B, 1, H, W] in [0, 255] → varied luma [B, 1, side_px, side_px] in [0, 255]."""
    batch, device = len(faces_B1HW), faces_B1HW.device

    def normal() -> Tensor:
        return torch.randn(batch, generator=generator).to(device)

    def uniform() -> Tensor:
        return torch.rand(batch, generator=generator).to(device)

    angle = normal() * (how.rotate_deg * math.pi / 180)
    size, ratio = torch.exp(normal() * how.scale), torch.exp(normal() * how.stretch)
    mirror = torch.where(uniform() < how.flip, -1.0, 1.0)
    cos, sin = torch.cos(angle) * size, torch.sin(angle) * size
    theta_B23 = torch.stack(
        [
            torch.stack([cos * ratio * mirror, -sin, normal() * how.shift * 2], 1),
            torch.stack([sin * mirror, cos / ratio, normal() * how.shift * 2], 1),
        ],
        1,
    )
    moved = how.rotate_deg or how.scale or how.stretch or how.shift or how.flip
    x = resample(faces_B1HW, theta_B23, side_px) if moved or faces_B1HW.shape[-1] != side_px else faces_B1HW

    if how.tone:
        gamma = torch.exp(normal() * how.tone).view(-1, 1, 1, 1)
        gain = torch.exp(normal() * how.tone / 2).view(-1, 1, 1, 1)
        x = ((x / 255).clamp(1e-3, 1).pow(gamma) * gain).clamp(0, 1) * 255
    if how.coarse:
        x = coarsen(x, how.coarse)
    if how.sharpness:
        # x + k (x - blurred): k < 0 blurs, k > 0 sharpens; half of the faces stay as they are
        k = (torch.rand(batch, generator=generator).to(device) * 2.0 - 0.8) * how.sharpness
        k = torch.where(uniform() < 0.5, k, torch.zeros_like(k)).view(-1, 1, 1, 1)
        blurred = F.avg_pool2d(F.avg_pool2d(F.pad(x, (2, 2, 2, 2), mode="replicate"), (5, 1), 1), (1, 5), 1)
        x = (x + k * (x - blurred)).clamp(0, 255)
    if how.noise:
        level = (uniform() * how.noise).view(-1, 1, 1, 1)
        x = (x + torch.randn(x.shape, generator=generator).to(device) * level).clamp(0, 255)
    if how.erase:
        x = _erase(x, how, uniform)
    return x


def _erase(x_B1HW: Tensor, how: Augmentation, uniform) -> Tensor:  # type: ignore[no-untyped-def]
    """One rectangle per chosen face becomes that face's mean (Random Erasing, Zhong et al., AAAI 2020)."""
    side = x_B1HW.shape[-1]
    area = 0.02 + uniform() * (how.erase_area - 0.02)
    ratio = torch.exp((uniform() * 2 - 1) * math.log(3.0))
    height, width = (area * ratio).sqrt() * side, (area / ratio).sqrt() * side
    top, left = uniform() * (side - height), uniform() * (side - width)
    chosen = (uniform() < how.erase).view(-1, 1)
    at = torch.arange(side, device=x_B1HW.device).view(1, -1)
    rows = (at >= top.view(-1, 1)) & (at < (top + height).view(-1, 1)) & chosen
    columns = (at >= left.view(-1, 1)) & (at < (left + width).view(-1, 1))
    mask = (rows[:, :, None] & columns[:, None, :]).unsqueeze(1)
    return torch.where(mask, x_B1HW.mean((2, 3), keepdim=True), x_B1HW)

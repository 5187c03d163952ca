"""Rendered heads as crops in memory, and the squares that a training step takes out of them.

A cached crop is the landmarker's square for the true box and eye line (`squares.around`), `REACH` times as large, so
that the square can move, grow and turn inside it. Landmarks and squares are in units of the nominal square's side, its
upper left corner at (0, 0): the same units as the network's answers, when nothing is moved.
"""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from rich.progress import track
from torch import Tensor

from training.clay.corpus import MIRROR, Corpus
from training.data.augment import Augmentation, resample
from training.data.faces import held_out
from training.shape.settings import Shape
from training.shape.squares import Square, around, cut, five_points, to_square

REACH = 1.45


@dataclass(frozen=True, slots=True)
class Crops:
    """n heads.

    Attributes:
        faces: luma `[n, side, side] uint8`.
        landmarks: `[n, 68, 2] float32`, in units of the nominal square's side.
        visible: `[n, 68] bool`.
        units: `[n, 17] float32` in [0, 1]; NaN where unknown.
        roll_deg: `[n] float32`, how far the nominal square is turned from the picture.
        scene: `[n] int64`; heads of one number differ in their expression only.
    """

    faces: NDArray[np.uint8]
    landmarks: NDArray[np.float32]
    visible: NDArray[np.bool_]
    units: NDArray[np.float32]
    roll_deg: NDArray[np.float32]
    scene: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.faces)


@dataclass(frozen=True, slots=True)
class Batch:
    """Truth of a batch on its device: landmarks [B, 68, 2] in units of the crop's side, which of them can be seen
    [B, 68] (0 or 1), units [B, 17] (NaN: unknown), scenes [B]; the crops are luma [B, 1, side, side] in [0, 255]."""

    luma: Tensor
    landmarks: Tensor
    visible: Tensor
    units: Tensor
    scene: Tensor


def usable(corpus: Corpus) -> NDArray[np.intp]:
    """The rows whose landmarks and box are known: scans have no landmarks, and nothing here can learn from them."""
    known = np.isfinite(corpus.landmarks).all((1, 2)) & np.isfinite(corpus.box).all(1) & (corpus.box[:, 2:] > 0).all(1)
    return np.flatnonzero(known)


def split(corpus: Corpus, fraction: float, rows: int = 0) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Training and validation rows; no identity is on both sides. `rows`: only so many training rows (0: all).

    Raises:
        ValueError: one side is empty.
    """
    found = usable(corpus)
    validation = np.array([held_out(str(corpus.identity[row]), fraction) for row in found], bool)
    sides = found[~validation], found[validation]
    if not (len(sides[0]) and len(sides[1])):
        raise ValueError(f"{corpus.folder}: of {len(found)} heads with landmarks, {len(sides[1])} are for validation")
    return sides[0][: rows or None], sides[1]


def nominal(corpus: Corpus, row: int) -> Square:
    """The landmarker's square of a row's true box and eye line."""
    return around(corpus.box[row], five_points(corpus.landmarks[row]))


def load(corpus: Corpus, rows: Sequence[int] | NDArray[np.intp], side_px: int, shown: bool = True) -> Crops:
    """Read and cut the rows, a progress bar the while."""
    crops = Crops(
        np.empty((len(rows), side_px, side_px), np.uint8),
        np.empty((len(rows), 68, 2), np.float32),
        corpus.visible[rows],
        corpus.action_units[rows],
        np.empty(len(rows), np.float32),
        corpus.scene[rows],
    )

    def one(at: int) -> None:
        square = nominal(corpus, int(rows[at]))
        luma = cv2.cvtColor(corpus.image(int(rows[at])), cv2.COLOR_RGB2GRAY).astype(np.uint8, copy=False)
        crops.faces[at] = cut(luma, replace(square, side=square.side * REACH), side_px)
        crops.landmarks[at] = to_square(corpus.landmarks[rows[at]], square)
        crops.roll_deg[at] = square.roll_deg

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for _ in track(pool.map(one, range(len(rows))), "heads into memory", len(rows), disable=not shown):
            pass
    return crops


def joined(several: Sequence[Crops]) -> Crops:
    """The heads of several corpora, one after the other; no scene of one has the number of another's."""
    first, scenes = 0, []
    for one in several:
        scenes.append(one.scene + first)
        first = int(scenes[-1].max(initial=first)) + 1
    names = ("faces", "landmarks", "visible", "units", "roll_deg")
    columns = [np.concatenate([getattr(one, name) for one in several]) for name in names]
    return Crops(*columns, scene=np.concatenate(scenes))


def moves(crops: Crops, rows: NDArray[np.intp], how: Shape, turned: Augmentation, generator: torch.Generator) -> Tensor:
    """Maps [B, 2, 3] from a taken square to the nominal one, both with their middle at 0 and their sides at ±1/2.

    Where the detector puts its box varies by `jitter_*`; what the head is varies by `rotate_deg`, `stretch` and `flip`
    of the augmentation (`scale` and `shift` are the jitter's part).
    """
    batch = len(rows)

    def uniform(low: float, high: float) -> Tensor:
        return low + (high - low) * torch.rand(batch, generator=generator)

    def normal(deviation: float) -> Tensor:
        return torch.randn(batch, generator=generator) * deviation

    angle = torch.deg2rad(uniform(-how.jitter_roll_deg, how.jitter_roll_deg) + normal(turned.rotate_deg))
    lost = torch.rand(batch, generator=generator) < how.jitter_lost_roll
    roll = torch.from_numpy(np.deg2rad(crops.roll_deg[rows])).clamp(-math.pi / 6, math.pi / 6)
    angle = torch.where(lost, angle - roll, angle)
    size = torch.exp(uniform(math.log(how.jitter_smaller), math.log(how.jitter_larger)))
    stretch = torch.exp(normal(turned.stretch))
    mirror = torch.where(torch.rand(batch, generator=generator) < turned.flip, -1.0, 1.0)
    cos, sin = torch.cos(angle) * size, torch.sin(angle) * size
    centre_x, centre_y = (uniform(-how.jitter_centre, how.jitter_centre) for _ in range(2))
    return torch.stack(
        [
            torch.stack([cos * stretch * mirror, -sin / stretch, centre_x], 1),
            torch.stack([sin * stretch * mirror, cos / stretch, centre_y], 1),
        ],
        1,
    )


def take(crops: Crops, rows: NDArray[np.intp], map_B23: Tensor, side_px: int, device: torch.device) -> Batch:
    """Cut the squares that `moves` chose, and move the landmarks along; a mirror image swaps left and right."""
    faces = torch.from_numpy(crops.faces[rows]).to(device).unsqueeze(1).float()
    theta_B23 = map_B23.clone()
    theta_B23[:, :, 2] *= 2  # the sampler's coordinates run from -1 to 1
    luma_B1HW = resample(faces, theta_B23.to(device) / REACH, side_px)
    points = torch.from_numpy(crops.landmarks[rows]) - 0.5 - map_B23[:, None, :, 2]
    back_B22 = torch.linalg.inv(map_B23[:, :, :2])
    points = (back_B22[:, None] @ points[..., None])[..., 0] + 0.5
    visible = torch.from_numpy(crops.visible[rows])
    mirrored = torch.det(map_B23[:, :, :2]) < 0
    order = torch.from_numpy(MIRROR)
    points = torch.where(mirrored[:, None, None], points[:, order], points)
    visible = torch.where(mirrored[:, None], visible[:, order], visible)
    visible = visible & ((points >= 0) & (points <= 1)).all(2)
    units = torch.from_numpy(crops.units[rows])
    scene = torch.from_numpy(crops.scene[rows]).to(device)
    return Batch(luma_B1HW, points.to(device), visible.float().to(device), units.to(device), scene)

"""Faces in memory for the expression generator: a rendered corpus' scenes, cut so that all of a scene lie alike.

A cached face is the landmarker's square (`squares.around`, level eyes) at 128 px with `MARGIN_PX` more on each side, so
that it can be moved by whole pixels: nothing is resampled twice. The square is that of the scene's mean box and mean
landmarks, not of each picture: a chin that drops must drop in the crop too, and a true pair must differ in the
expression alone.
"""

from __future__ import annotations

import hashlib
import math
import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from rich.progress import track
from torch import Tensor

from training.clay.corpus import Corpus
from training.data.faces import held_out
from training.ganimation.networks import FACE_PX
from training.shape.crops import usable
from training.shape.squares import Square, around, cut, five_points

MARGIN_PX = 8
CACHE_PX = FACE_PX + 2 * MARGIN_PX


@dataclass(frozen=True, slots=True)
class Pieces:
    """n faces.

    Attributes:
        faces: `[n, 144, 144, 3] uint8` RGB, or `[n, 144, 144] uint8` luma; the middle 128 px are the square.
        units: `[n, 17] float32` in [0, 1].
        scene: `[n] int64`; rows of one scene stand together and are true pairs.
        identity: `[n] str`. expression: `[n] str`, one of the seven or "". intensity: `[n] float32` of it, in [0, 1].
    """

    faces: NDArray[np.uint8]
    units: NDArray[np.float32]
    scene: NDArray[np.int64]
    identity: NDArray[np.str_]
    expression: NDArray[np.str_]
    intensity: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.faces)

    def where(self, chosen: NDArray[np.bool_]) -> Pieces:
        """The chosen rows `[n] bool`."""
        columns = (self.faces, self.units, self.scene, self.identity, self.expression, self.intensity)
        return Pieces(*(column[chosen] for column in columns))


def paired(corpus: Corpus, rows: NDArray[np.intp]) -> NDArray[np.intp]:
    """Those of `rows` that share their scene with another of them, scene by scene."""
    _, place, count = np.unique(corpus.scene[rows], return_inverse=True, return_counts=True)
    kept = rows[count[place] > 1]
    return kept[np.argsort(corpus.scene[kept], kind="stable")]


def usable_pairs(corpus: Corpus) -> NDArray[np.intp]:
    """The rows that can be learnt from: landmarks, box and units are known, and the scene has another such row."""
    found = usable(corpus)
    return paired(corpus, found[np.isfinite(corpus.action_units[found]).all(1)])


def split(corpus: Corpus, fraction: float, images: int = 0) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Training and validation rows; no identity is on both sides. `images`: about so many training rows (0: all).

    Raises:
        ValueError: one side is empty.
    """
    found = usable_pairs(corpus)
    validation = np.array([held_out(str(corpus.identity[row]), fraction) for row in found], bool)
    train = paired(corpus, found[~validation][: images or None])
    if not (len(train) and validation.any()):
        raise ValueError(
            f"{corpus.folder}: of {len(found)} pictures in pairs, {validation.sum()} are for validation and "
            f"{len(train)} for training: render more, or change held_out or images"
        )
    return train, found[validation]


def load(corpus: Corpus, rows: NDArray[np.intp], size_jitter: float = 0.0, shown: bool = True) -> Pieces:
    """Read and cut the rows (of `paired`), a progress bar the while.

    Args:
        size_jitter: standard deviation of the log of the squares' size, the same for all of a scene.
    """
    faces = np.empty((len(rows), CACHE_PX, CACHE_PX, 3), np.uint8)
    scenes = corpus.scene[rows]

    def one(scene: int) -> None:
        places = np.flatnonzero(scenes == scene)
        square = scene_square(corpus, rows[places])
        size = math.exp(size_jitter * np.random.default_rng((3, int(scene))).standard_normal()) * CACHE_PX / FACE_PX
        for at in places:
            faces[at] = cut(corpus.image(int(rows[at])), replace(square, side=square.side * size), CACHE_PX)

    names = np.unique(scenes)
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for _ in track(pool.map(one, names), "scenes into memory", len(names), disable=not shown):
            pass
    return Pieces(
        faces,
        corpus.action_units[rows],
        scenes,
        corpus.identity[rows],
        corpus.expression[rows],
        corpus.intensity[rows],
    )


def scene_square(corpus: Corpus, rows: NDArray[np.intp]) -> Square:
    """The square that all pictures of a scene are cut by."""
    return around(corpus.box[rows].mean(0), five_points(corpus.landmarks[rows].mean(0)))


def partners(scene: NDArray[np.int64], random: np.random.Generator) -> NDArray[np.intp]:
    """For every row another row of its scene, `[n]`; the rows of a scene stand together, two or more."""
    _, first, place, count = np.unique(scene, return_index=True, return_inverse=True, return_counts=True)
    start, many = first[place], count[place]
    step = 1 + np.floor(random.random(len(scene)) * (many - 1)).astype(np.intp)
    return start + (np.arange(len(scene)) - start + step) % many


def middles(faces: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The unmoved squares of cached faces as RGB, `[n, 128, 128, 3]`."""
    inside = slice(MARGIN_PX, MARGIN_PX + FACE_PX)
    squares = faces[:, inside, inside]
    return np.ascontiguousarray(squares if squares.ndim == 4 else np.repeat(squares[..., None], 3, 3))


def places(batch: int, flip: float, generator: torch.Generator) -> NDArray[np.int64]:
    """Where each square is taken from its cached face, `[B, 3]`: rows down, columns right, 1 for a mirror image."""
    moved = torch.randint(0, 2 * MARGIN_PX + 1, (batch, 2), generator=generator)
    mirrored = (torch.rand(batch, 1, generator=generator) < flip).long()
    return torch.cat([moved, mirrored], 1).numpy()


def take(faces: NDArray[np.uint8], where_B3: NDArray[np.int64], device: torch.device) -> Tensor:
    """Squares [B, 3, 128, 128] in [0, 255] of cached faces; units are the same for a face and its mirror image."""
    squares = []
    for face, (top, left, mirrored) in zip(faces, where_B3, strict=True):
        square = face[top : top + FACE_PX, left : left + FACE_PX]
        squares.append(square[:, ::-1] if mirrored else square)
    stacked = np.stack(squares)
    return as_tensor(stacked if stacked.ndim == 4 else np.repeat(stacked[..., None], 3, 3), device)


def as_tensor(squares: NDArray[np.uint8], device: torch.device) -> Tensor:
    """RGB `[n, H, W, 3] uint8` → [n, 3, H, W] float32 in [0, 255] on a device."""
    return torch.from_numpy(squares).to(device).permute(0, 3, 1, 2).float()


def print_of(*parts: bytes) -> str:
    """A short name for what a cached file was made of."""
    return hashlib.sha256(b"".join(hashlib.sha256(part).digest() for part in parts)).hexdigest()[:12]

"""Training canvases: faces pasted into scenes, and pieces of real photos with the teacher's faces.

A canvas is a function of its pieces and one seed. Luma `[side, side] uint8`, as `cutouts.py` has it; the served canvas
is a picture scaled to fit, with grey (128) beside or below, so some canvases look like that.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from training.fcos import camera
from training.fcos.cutouts import Cutout, Photo, Pieces
from training.fcos.scenes import Scenes
from training.fcos.teacher import SURE

GREY = 128
LEAST_INSIDE = 0.5  # of a face's box within the canvas; less of it is neither taught nor punished
ELSEWHERE = 0.25  # of the pieces of photos with faces: parts that need not show one
SMALLEST_PX = 7.0  # below this nobody could tell; such faces say nothing

FACE, SILENT = 1, -1


@dataclass(frozen=True, slots=True)
class Canvas:
    """`luma` `[side, side] uint8`; of n faces `boxes` `[n, 4]` left, top, right, bottom, `points` `[n, 5, 2]` (NaN:
    unknown) and `kinds` `[n]`: 1 a face, -1 a region that says nothing. Pixels of the canvas."""

    luma: NDArray[np.uint8]
    boxes: NDArray[np.float32]
    points: NDArray[np.float32]
    kinds: NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Placed:
    """A face on its way onto the canvas."""

    box: NDArray[np.float32]
    points: NDArray[np.float32]
    kind: int


def compose(pieces: Pieces, how: Scenes, seed: Sequence[int]) -> Canvas:
    """The canvas of a seed."""
    rng = np.random.default_rng(seed)
    if pieces.peopled and (rng.random() < how.photo or not (pieces.heads or pieces.people)):
        luma, placed = _piece(_peopled(pieces.peopled, rng), how, rng)
    else:
        luma, placed = scene(pieces, how, rng), []
        if rng.random() >= how.empty:
            placed = paste_faces(luma, pieces, how, rng)
    return _canvas(camera.taken(luma, rng), placed)


def scene(pieces: Pieces, how: Scenes, rng: np.random.Generator) -> NDArray[np.uint8]:
    """A background without faces: part of a photo, a whole one with grey beside it, or, without photos, a gradient."""
    side = how.side_px
    if not pieces.scenes:
        y, x = np.mgrid[0:side, 0:side] / side
        a, b, c = rng.uniform(-90, 90, 3)
        return np.clip(128 + a * x + b * y + c * x * y + rng.normal(0, 8, (side, side)), 0, 255).astype(np.uint8)
    photo = pieces.scenes[rng.integers(len(pieces.scenes))].luma
    height, width = photo.shape
    if rng.random() < 0.3:
        scale = side / max(height, width)
        return _warped(photo, camera.similarity(scale, 0.0, False, (0, 0), (0, 0)), side)
    scale = side / min(height, width) * np.exp(rng.uniform(0, 1.2))
    room = np.array([width, height]) * scale - side
    middle = (rng.uniform(0, 1, 2) * room + side / 2) / scale
    return _warped(photo, camera.similarity(scale, 0.0, rng.random() < 0.5, middle, (side / 2, side / 2)), side)


def paste_faces(luma: NDArray[np.uint8], pieces: Pieces, how: Scenes, rng: np.random.Generator) -> list[Placed]:
    """Paste one to `most` faces and some things that are none; returns where the faces are."""
    placed: list[Placed] = []
    faces = 1 + int(rng.integers(how.most)) if rng.random() < 0.5 else 1
    if pieces.scenes:
        for _ in range(rng.integers(0, 3)):  # what is pasted must not be what gives a face away
            _paste_other(luma, pieces.scenes[rng.integers(len(pieces.scenes))].luma, how, rng)
    for _ in range(faces):
        people = pieces.people and (rng.random() < how.person or not pieces.heads)
        source = pieces.people if people else pieces.heads
        if not source:
            break
        cutout = source[rng.integers(len(source))]
        size_px = float(np.exp(rng.uniform(np.log(how.smallest_px), np.log(how.largest_px))))
        if size_px > 0.5 * how.side_px and placed:
            continue  # it would cover the others
        alpha, around, what = cutout.alpha, None, rng.random()
        if not people and what < how.whole:
            alpha = np.full_like(alpha, 255)
        elif not people and what < how.whole + how.framed and pieces.scenes:
            alpha = (alpha * _oval(cutout)).astype(np.uint8)
            around = pieces.scenes[rng.integers(len(pieces.scenes))].luma
        added = _paste(luma, cutout, alpha, around, size_px, placed, rng)
        if added is not None:
            placed.append(added)
    return placed


def _paste(
    luma: NDArray[np.uint8],
    cutout: Cutout,
    alpha: NDArray[np.uint8],
    around: NDArray[np.uint8] | None,
    size_px: float,
    placed: list[Placed],
    rng: np.random.Generator,
) -> Placed | None:
    side = luma.shape[0]
    own = cutout.box[2:] - cutout.box[:2]
    scale = size_px / float(np.sqrt(own[0] * own[1]))
    roll_deg = float(np.clip(rng.normal(0, 9), -25, 25))
    flip = bool(rng.random() < 0.5)
    middle = (cutout.box[:2] + cutout.box[2:]) / 2
    for _ in range(4):
        margin = min(size_px * 0.35, side * 0.4)  # most of the face stays inside
        target = rng.uniform(margin, side - margin, 2)
        if all(np.abs(target - (p.box[:2] + p.box[2:]) / 2).max() > 0.55 * (size_px + _size(p.box)) for p in placed):
            break
    else:
        return None
    matrix = camera.similarity(scale, roll_deg, flip, middle, target)
    face = camera.lit(cutout.luma, rng)
    if around is not None:
        _paste_around(
            luma, around, float(face[alpha > 128].mean()) if (alpha > 128).any() else 128, target, size_px, rng
        )
    camera.blend(luma, face, alpha, matrix)
    return Placed(camera.moved_box(cutout.box, matrix), camera.moved_points(cutout.points, matrix, flip), FACE)


def _oval(cutout: Cutout) -> NDArray[np.float32]:
    """1 within the face, 0 beyond it, soft in between: what a wig, a veil or a helmet leaves of a head."""
    y, x = np.mgrid[0 : cutout.alpha.shape[0], 0 : cutout.alpha.shape[1]].astype(np.float32) + 0.5
    middle, half = (cutout.box[:2] + cutout.box[2:]) / 2, (cutout.box[2:] - cutout.box[:2]) / 2
    far = np.hypot((x - middle[0]) / half[0], (y - middle[1]) / half[1])
    return np.clip((1.12 - far) * 8, 0, 1).astype(np.float32)


def _paste_around(
    luma: NDArray[np.uint8],
    photo: NDArray[np.uint8],
    level: float,
    target: NDArray[np.float64],
    size_px: float,
    rng: np.random.Generator,
) -> None:
    """Some texture of about a face's brightness, uneven in outline, larger than the face that will lie on it: carved
    hair, a veil, a crown, the block that a head was left in. Rendered heads have none of these."""
    size = int(rng.integers(48, 112))
    height, width = photo.shape
    if min(height, width) <= size:
        return
    top, left = int(rng.integers(height - size)), int(rng.integers(width - size))
    patch = photo[top : top + size, left : left + size].astype(np.float32)
    patch = (patch - patch.mean()) * rng.uniform(0.4, 1.3) + level * np.exp(rng.normal(0, 0.25))
    y, x = (np.mgrid[0:size, 0:size] + 0.5) / size * 2 - 1
    angle, outline = np.arctan2(y, x), 0.85
    for waves in range(1, 6):
        outline = outline + rng.normal(0, 0.09 / waves**0.5) * np.cos(waves * angle + rng.uniform(0, 2 * np.pi))
    alpha = np.clip((outline - np.hypot(x, y)) * rng.uniform(6, 25), 0, 1) * 255
    middle = target + size_px * np.array([rng.normal(0, 0.08), rng.normal(-0.1, 0.12)])
    scale = size_px * rng.uniform(1.3, 2.2) / size
    matrix = camera.similarity(scale, rng.normal(0, 30), False, (size / 2, size / 2), middle)
    camera.blend(luma, np.clip(patch, 0, 255).astype(np.uint8), alpha.astype(np.uint8), matrix)


def _paste_other(luma: NDArray[np.uint8], photo: NDArray[np.uint8], how: Scenes, rng: np.random.Generator) -> None:
    """A piece of some photo in the shape of a head."""
    size = int(rng.integers(48, 128))
    height, width = photo.shape
    if min(height, width) <= size:
        return
    top, left = int(rng.integers(height - size)), int(rng.integers(width - size))
    y, x = (np.mgrid[0:size, 0:size] + 0.5) / size * 2 - 1
    alpha = np.clip((1 - np.hypot(x, y * rng.uniform(0.8, 1.0))) * rng.uniform(5, 20), 0, 1) * 255
    if rng.random() < 0.2:
        alpha = np.full((size, size), 255.0)
    scale = float(np.exp(rng.uniform(np.log(how.smallest_px), np.log(how.largest_px * 0.8)))) / size
    target = rng.uniform(0, luma.shape[0], 2)
    matrix = camera.similarity(scale, rng.normal(0, 20), False, (size / 2, size / 2), target)
    camera.blend(luma, camera.lit(photo[top : top + size, left : left + size], rng), alpha.astype(np.uint8), matrix)


def _peopled(photos: Sequence[Photo], rng: np.random.Generator) -> Photo:
    """A photo, three times out of four one with a face that the teacher is sure of."""
    for _ in range(8):
        photo = photos[rng.integers(len(photos))]
        if photo.scores.max() >= SURE or rng.random() < 0.25:
            break
    return photo


def _piece(photo: Photo, how: Scenes, rng: np.random.Generator) -> tuple[NDArray[np.uint8], list[Placed]]:
    """A photo with faces, whole or in part, at some size; one of its faces mostly stays in sight, or (`ELSEWHERE`) any
    part of the photo is enlarged: clothes, hands and hair beside a face, such as a large photo's tiles are full of."""
    side = how.side_px
    height, width = photo.luma.shape
    one = photo.boxes[rng.integers(len(photo.boxes))]
    whole = side / max(height, width)
    flip, middle = bool(rng.random() < 0.5), (one[:2] + one[2:]) / 2
    kind = rng.random()
    if kind < ELSEWHERE:
        scale = float(np.clip(whole * np.exp(rng.uniform(0.3, 1.8)), whole, 3.0))
        middle = rng.uniform(0, 1, 2).astype(np.float32) * [width, height]
    elif kind < 0.55:
        scale = whole * float(np.exp(rng.uniform(-0.7, 0.05)))
    else:
        size_px = np.exp(rng.uniform(np.log(how.smallest_px), np.log(how.largest_px)))
        scale = float(np.clip(size_px / _size(one), whole * 0.4, 3.0))
    reach = side / 2 * 0.85
    target = side / 2 + rng.uniform(-reach, reach, 2)
    # Where the picture is larger than the canvas, its edge stays outside; where it is smaller, it lies inside.
    for axis, length in enumerate((width, height)):
        before = (length - middle[axis] if flip and axis == 0 else middle[axis]) * scale
        low, high = sorted((before, side - (length * scale - before)))
        target[axis] = np.clip(target[axis], low, high)
    roll_deg = float(rng.normal(0, 6)) if rng.random() < 0.5 else 0.0
    matrix = camera.similarity(scale, roll_deg, flip, middle, target)
    luma = _warped(camera.lit(photo.luma, rng), matrix, side, cv2.BORDER_CONSTANT)
    placed = [
        Placed(
            camera.moved_box(box, matrix),
            camera.moved_points(points, matrix, flip),
            FACE if score >= SURE else SILENT,
        )
        for box, points, score in zip(photo.boxes, photo.points, photo.scores, strict=True)
    ]
    return luma, placed


def _warped(
    luma: NDArray[np.uint8], matrix: NDArray[np.float64], side: int, border: int = cv2.BORDER_CONSTANT
) -> NDArray[np.uint8]:
    luma, matrix = camera.halved(luma, matrix)
    return camera.warp(luma, matrix, (side, side), border, GREY)


def _size(box: NDArray[np.float32]) -> float:
    return float(np.sqrt(max((box[2] - box[0]) * (box[3] - box[1]), 1e-6)))


def _canvas(luma: NDArray[np.uint8], placed: list[Placed]) -> Canvas:
    """The canvas with those faces that are on it."""
    side = luma.shape[0]
    boxes, points, kinds = [], [], []
    for face in placed:
        inside = np.clip(face.box, 0, side)
        visible = max(inside[2] - inside[0], 0) * max(inside[3] - inside[1], 0)
        if visible <= 0:
            continue
        share = visible / max(_size(face.box) ** 2, 1e-6)
        seen = share >= LEAST_INSIDE and _size(face.box) >= SMALLEST_PX
        boxes.append(face.box)
        points.append(face.points)
        kinds.append(face.kind if seen else SILENT)
    return Canvas(
        luma,
        np.array(boxes, np.float32).reshape(-1, 4),
        np.array(points, np.float32).reshape(-1, 5, 2),
        np.array(kinds, np.int64),
    )

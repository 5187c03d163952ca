"""Squares cut out of a picture: the landmarker's crop convention, and the geometry of what the services cut.

A `Square` lies in pixels of a picture, a pixel's centre at its index plus one half. Points inside it are in units of
its side: (0, 0) its upper left corner, (1, 1) its lower right. The services cut in the same way, and a test compares.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

SIDE = 1.5  # the landmarker's square is so many times the geometric mean of the box's width and height
FIVE = ((36, 42), (42, 48), (30, 31), (48, 49), (54, 55))  # of the 68: right and left eye, nose tip, mouth corners
# Of sqrt(width x height): two eyes that stand closer are a profile's, and the line through them tells no roll.
_CLOSEST_EYES = 0.12
_FINEST_PX = 2048


@dataclass(frozen=True, slots=True)
class Square:
    """`roll_deg` turns it clockwise (as seen) about its centre; what leans by that much comes out upright."""

    centre_x: float
    centre_y: float
    side: float
    roll_deg: float = 0.0


def five_points(landmarks_68: NDArray[np.float32]) -> NDArray[np.float32]:
    """`[68, 2]` → `[5, 2]`: the person's right eye, left eye, nose tip, right and left mouth corner."""
    return np.stack([landmarks_68[first:last].mean(0) for first, last in FIVE])


def around(box: NDArray[np.float32], points_5: NDArray[np.float32] | None = None) -> Square:
    """The landmarker's square for a box (x, y, width, height): level eyes, if the five points are known."""
    x, y, width, height = (float(value) for value in box)
    size, roll_deg = math.sqrt(width * height), 0.0
    if points_5 is not None:
        across, down = (float(value) for value in points_5[1] - points_5[0])
        if math.hypot(across, down) > _CLOSEST_EYES * size:
            roll_deg = math.degrees(math.atan2(down, across))
    return Square(x + width / 2, y + height / 2, SIDE * size, roll_deg)


def to_square(points: NDArray[np.float32], square: Square) -> NDArray[np.float32]:
    """Points of the picture `[..., 2]` in units of the square's side."""
    return ((points - (square.centre_x, square.centre_y)) @ _turn(square.roll_deg) / square.side + 0.5).astype(
        np.float32
    )


def to_picture(points: NDArray[np.float32], square: Square) -> NDArray[np.float32]:
    """The inverse of `to_square`."""
    turned = (points - 0.5) * square.side @ _turn(square.roll_deg).T
    return (turned + np.array([square.centre_x, square.centre_y])).astype(np.float32)


def inner(square: Square, frame: NDArray[np.float32]) -> Square:
    """The square that `frame` (centre_x, centre_y, side in units of the square's side; roll in degrees) names."""
    x, y = to_picture(np.asarray(frame[:2], np.float32), square)
    return Square(float(x), float(y), square.side * float(frame[2]), square.roll_deg + float(frame[3]))


def cut(picture: NDArray[np.uint8], square: Square, side_px: int) -> NDArray[np.uint8]:
    """The square of a picture `[height, width(, channels)]` at `[side_px, side_px(, channels)]`.

    Averages areas when it shrinks, interpolates linearly when it enlarges, and repeats the picture's border beyond it.
    """
    if not (square.side > 0 and side_px > 0 and math.isfinite(square.side + square.centre_x + square.centre_y)):
        raise ValueError(f"cannot cut {square} at {side_px} px")
    cells = max(1, min(math.ceil(square.side / side_px - 1e-6), _FINEST_PX // side_px))
    grid = side_px * cells
    turn = _turn(square.roll_deg) * (square.side / grid)
    corner = np.array([square.centre_x, square.centre_y]) - 0.5 - turn @ np.full(2, (grid - 1) / 2)
    how = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    from_grid = np.column_stack([turn, corner])
    samples = cv2.warpAffine(picture, from_grid, (grid, grid), flags=how, borderMode=cv2.BORDER_REPLICATE)
    if cells > 1:
        samples = cv2.resize(samples, (side_px, side_px), interpolation=cv2.INTER_AREA)
    return samples.astype(np.uint8, copy=False)


def _turn(roll_deg: float) -> NDArray[np.float64]:
    cos, sin = math.cos(math.radians(roll_deg)), math.sin(math.radians(roll_deg))
    return np.array([[cos, -sin], [sin, cos]])

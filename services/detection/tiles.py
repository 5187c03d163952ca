"""A picture of any size → canvases of one size for the face detector, and its answers back to pixels of the picture.

The picture is laid whole onto one canvas, for the large faces; where it has more pixels than that shows, it is also
enlarged or reduced to the finer levels and cut into tiles that overlap, for the small ones. At most 35 canvases.

A face that a tile cuts off is left to others: the tile beside it, if the face fits their overlap, else the next coarser
level, in which it is larger than the network needs. So what touches a tile's edge inside the picture is dropped.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from services.domain import RGB

CANVAS_PX = 320
LEVELS_PX = ((640, 400), (1280, 900))  # long side of a finer level; of the pictures from which on it is searched
OVERLAP_PX = 64  # the least, of neighbouring tiles
GREY = 128  # under and beside the picture

_EDGE_PX = 2  # a box that ends so near to a tile's inner edge may be cut off


@dataclass(frozen=True, slots=True)
class Level:
    """The picture at one size: `width` x `height` pixels, `scale_x` and `scale_y` times the picture's own."""

    width: int
    height: int
    scale_x: float
    scale_y: float


@dataclass(frozen=True, slots=True)
class Tile:
    """A canvas: the part of a level from `left`, `top` on, in pixels of the level."""

    level: Level
    left: int
    top: int

    def whole(self, boxes: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Which of `[n, 4]` boxes, in pixels of the canvas, end before every edge beyond which the picture goes on."""
        ends = boxes[:, :2] + boxes[:, 2:]
        inside = np.ones(len(boxes), np.bool_)
        for axis, (start, length) in enumerate(((self.left, self.level.width), (self.top, self.level.height))):
            if start > 0:
                inside &= boxes[:, axis] >= _EDGE_PX
            if start + CANVAS_PX < length:
                inside &= ends[:, axis] <= CANVAS_PX - _EDGE_PX
        return inside

    def to_picture(self, points: NDArray[np.float64]) -> NDArray[np.float64]:
        """`[..., 2]` points (x, y) of the canvas → of the picture."""
        origin, scale = np.array([self.left, self.top]), np.array([self.level.scale_x, self.level.scale_y])
        mapped: NDArray[np.float64] = (points + origin) / scale
        return mapped


def tiles(width: int, height: int) -> list[Tile]:
    """The canvases of a picture of this size, the whole picture first, level after level, row by row."""
    longest = max(width, height)
    sides = [CANVAS_PX, *(side for side, beyond in LEVELS_PX if longest > beyond)]
    return [
        Tile(level, left, top)
        for level in (_level(width, height, side) for side in sides)
        for top in _starts(level.height)
        for left in _starts(level.width)
    ]


def canvases(image: RGB, layout: list[Tile]) -> RGB:
    """`[n, 320, 320, 3] uint8`, one for each tile."""
    filled = np.full((len(layout), CANVAS_PX, CANVAS_PX, 3), GREY, np.uint8)
    scaled: dict[Level, RGB] = {}
    source = image
    for level in sorted({tile.level for tile in layout}, key=lambda level: -level.width * level.height):
        scaled[level] = _resized(source, level)
        if level.width <= image.shape[1] and level.height <= image.shape[0]:
            source = scaled[level]  # the next is smaller: it is made from this one, for a fraction of the time
    for row, tile in enumerate(layout):
        part = scaled[tile.level][tile.top : tile.top + CANVAS_PX, tile.left : tile.left + CANVAS_PX]
        filled[row, : part.shape[0], : part.shape[1]] = part
    return filled


def _level(width: int, height: int, long_px: int) -> Level:
    factor = long_px / max(width, height)
    # a picture thinner than a pixel of the level is a pixel thick there, so each axis has its own scale
    wide, high = max(1, round(width * factor)), max(1, round(height * factor))
    return Level(wide, high, wide / width, high / height)


def _starts(length: int) -> list[int]:
    """Where the tiles of one axis begin: as few as overlap enough, evenly spread."""
    if length <= CANVAS_PX:
        return [0]
    count = math.ceil((length - CANVAS_PX) / (CANVAS_PX - OVERLAP_PX)) + 1
    return [round(number * (length - CANVAS_PX) / (count - 1)) for number in range(count)]


def _resized(image: RGB, level: Level) -> RGB:
    while image.shape[0] >= 2 * level.height and image.shape[1] >= 2 * level.width:
        # Halving takes a small part of the time of any other factor. An odd last row or column is left out: at the far
        # edge that moves things by less than a pixel of the picture.
        height, width = image.shape[0] // 2, image.shape[1] // 2
        image = cv2.resize(image[: 2 * height, : 2 * width], (width, height), interpolation=cv2.INTER_AREA).astype(
            np.uint8, copy=False
        )
    if image.shape[1::-1] == (level.width, level.height):
        return image
    shrinks = level.width <= image.shape[1] and level.height <= image.shape[0]
    how = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    return cv2.resize(image, (level.width, level.height), interpolation=how).astype(np.uint8, copy=False)

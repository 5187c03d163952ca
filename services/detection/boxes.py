"""Boxes found many times over → one each, and the square that a classifier wants around a box.

Plain numbers: windows are `[n, 4]` float64 rows of x, y, width, height, in pixels of one picture. Used by the finders.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from services.domain import Box, Square

_SAME = 0.4  # overlap of boxes that show one face
_WITHIN = 0.75  # share of a smaller box inside a surer one, or around it, that makes it the same

Windows = NDArray[np.float64]
Pixels = NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Framing:
    """How a finder's box becomes the square crop.

    Attributes:
        scale: side of the square ÷ √(width x height) of the box.
        shift_x: from the box's centre to the square's, to the right, as a share of the square's side.
        shift_y: the same, downwards.
    """

    scale: float
    shift_x: float = 0.0
    shift_y: float = 0.0

    def square(self, box: Box) -> Square:
        """The square around a box of positive width and height."""
        side = self.scale * math.sqrt(box.width * box.height)
        return Square(box.x + box.width / 2 + self.shift_x * side, box.y + box.height / 2 + self.shift_y * side, side)


def overlaps(window: Windows, windows: Windows) -> Windows:
    """Intersection ÷ union of one window `[4]` with each of `[n, 4]` → `[n]` in [0, 1]."""
    shared = _intersections(window, windows)
    ratio: Windows = shared / (window[2] * window[3] + windows[:, 2] * windows[:, 3] - shared)
    return ratio


def containments(window: Windows, windows: Windows) -> Windows:
    """Intersection ÷ the smaller area, of one window `[4]` with each of `[n, 4]` → `[n]` in [0, 1]."""
    smaller = np.minimum(window[2] * window[3], windows[:, 2] * windows[:, 3])
    ratio: Windows = _intersections(window, windows) / smaller
    return ratio


def distinct(windows: Windows, most: int) -> NDArray[np.intp]:
    """Non-maximum suppression: at most `most` of `[n, 4]`, the surest first, that show what no surer one shows."""
    kept: list[int] = []
    left = np.arange(len(windows))
    while len(left) and len(kept) < most:
        surest, others = left[0], left[1:]
        kept.append(int(surest))
        rest = windows[others]
        same = (overlaps(windows[surest], rest) > _SAME) | (containments(windows[surest], rest) > _WITHIN)
        left = others[~same]
    return np.array(kept, np.intp)


def resized_to(image: Pixels, long_px: int) -> tuple[Pixels, float]:
    """The picture, grey or RGB, with its longer side at `long_px`, and the factor by which it became larger."""
    height, width = image.shape[:2]
    factor = long_px / max(height, width)
    if factor == 1:
        return image, 1.0
    size = (max(1, round(width * factor)), max(1, round(height * factor)))
    how = cv2.INTER_AREA if factor < 1 else cv2.INTER_LINEAR
    return cv2.resize(image, size, interpolation=how).astype(np.uint8, copy=False), factor


def _intersections(window: Windows, windows: Windows) -> Windows:
    low = np.maximum(window[:2], windows[:, :2])
    high = np.minimum(window[:2] + window[2:], windows[:, :2] + windows[:, 2:])
    shared: Windows = np.maximum(high - low, 0).prod(1)
    return shared

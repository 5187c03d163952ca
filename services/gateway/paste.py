"""A repainted square of a face → back into the picture, at the picture's own resolution.

What is enlarged is the *difference* between the repainted and the original crop, weighted by the mask, and it is added
to the picture: so a face of a thousand pixels keeps its pores and cracks although the crop has only 128. Where the mask
is 0 the picture keeps every bit. The mask is faded out towards the square's border, so that no edge can show.

Pictures are RGB `[height, width, 3] uint8`; `paste` is pure but for the picture that it paints into, and may run in any
thread.
"""

from __future__ import annotations

import math

import cv2
import numpy as np
from numpy.typing import NDArray

from services.domain import RGB, Square
from services.images import covered

FEATHER = 0.08  # of the side: the mask rises from 0 at the square's border to itself over this width

_BAND_PX = 256  # rows painted at a time: bounds the memory of a face that fills a large picture

Floats = NDArray[np.float32]


def paste(picture: RGB, square: Square, crop: RGB, rendered: RGB, mask: NDArray[np.uint8]) -> None:
    """Paint into the picture what `rendered` changes of `crop`, where `mask` says so.

    Args:
        square: where `crop` was cut out (`images.cut`); may reach over the picture's edge.
        crop: `[side_px, side_px, 3] uint8`; rendered: the same shape.
        mask: `[side_px, side_px] uint8`; 255 = repainted, 0 = as it was.
    """
    difference: Floats = rendered.astype(np.float32) - crop.astype(np.float32)
    weight = mask.astype(np.float32) / np.float32(255) * _feather(mask.shape[0])
    if not (difference * weight[..., None]).any():
        return
    side_px = mask.shape[0]
    if square.side < side_px:  # the picture is coarser than the crop: means, so that no detail turns into noise
        side_px = max(1, math.ceil(square.side))
        difference = _shrunk(difference, side_px)
        weight = _shrunk(weight, side_px)
    region, left, top = covered(picture, square, margin=1)
    for start in range(0, region.shape[0], _BAND_PX):
        band = region[start : start + _BAND_PX]
        to_crop = _to_crop(square, side_px, left, top + start)
        size = (band.shape[1], band.shape[0])
        weights = cv2.warpAffine(weight, to_crop, size, flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP)
        if not weights.any():
            continue
        differences = cv2.warpAffine(
            difference,
            to_crop,
            size,
            flags=cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP,
            borderMode=cv2.BORDER_REPLICATE,
        )
        band[:] = np.rint(band + weights[..., None] * differences).clip(0, 255).astype(np.uint8)


def _feather(side_px: int) -> Floats:
    """`[side_px, side_px]`: 0 in the outermost pixels, 1 from `FEATHER` of the side inwards, smooth between."""
    spots = np.arange(side_px, dtype=np.float32)
    rise = np.minimum(np.minimum(spots, spots[::-1]) / (FEATHER * side_px), 1)
    smooth: Floats = (rise * rise * (3 - 2 * rise)).astype(np.float32)
    return np.minimum(smooth[:, None], smooth[None])


def _shrunk(values: Floats, side_px: int) -> Floats:
    return cv2.resize(values, (side_px, side_px), interpolation=cv2.INTER_AREA).astype(np.float32, copy=False)


def _to_crop(square: Square, side_px: int, left: int, top: int) -> NDArray[np.float64]:
    """`[2, 3]`: pixels of a part of the picture that begins at (left, top) → pixels of the crop; the inverse of `cut`.

    Pixel centres stand at whole numbers in both.
    """
    roll, scale = math.radians(square.roll_deg), side_px / square.side
    cos, sin = math.cos(roll) * scale, math.sin(roll) * scale
    x, y = left + 0.5 - square.centre_x, top + 0.5 - square.centre_y
    middle = (side_px - 1) / 2
    return np.array([[cos, sin, cos * x + sin * y + middle], [-sin, cos, cos * y - sin * x + middle]])

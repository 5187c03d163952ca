"""What a camera does to a canvas of luma: geometry, light, lens, sensor, file.

Coordinates have pixel edges at integers. A map is `[2, 3] float64`, from the source's coordinates to the target's.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

MIRRORED = np.array([1, 0, 2, 4, 3])  # the person's right and left change places in a mirror image


def similarity(
    scale: float, roll_deg: float, flip: bool, middle: Sequence[float], target: Sequence[float]
) -> NDArray[np.float64]:
    """Mirror (left to right), scale, turn clockwise, and bring `middle` to `target`."""
    angle = np.deg2rad(roll_deg)
    turn = scale * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    if flip:
        turn = turn @ np.diag([-1.0, 1.0])
    return np.hstack([turn, (np.asarray(target) - turn @ np.asarray(middle, np.float64))[:, None]])


def moved_points(points: NDArray[np.float32], matrix: NDArray[np.float64], flip: bool) -> NDArray[np.float32]:
    """Points `[5, 2]` through a map; a mirror image exchanges left and right."""
    moved = points @ matrix[:, :2].T + matrix[:, 2]
    return (moved[MIRRORED] if flip else moved).astype(np.float32)


def moved_box(box: NDArray[np.float32], matrix: NDArray[np.float64]) -> NDArray[np.float32]:
    """A box through a map: its centre moves, its sides are scaled. A turned face's upright box is about as large: the
    frame around the turned corners would grow with an angle by which a round face does not."""
    middle = matrix[:, :2] @ ((box[:2] + box[2:]) / 2) + matrix[:, 2]
    half = (box[2:] - box[:2]) / 2 * np.sqrt(abs(np.linalg.det(matrix[:, :2])))
    return np.concatenate([middle - half, middle + half]).astype(np.float32)


def halved(luma: NDArray[np.uint8], matrix: NDArray[np.float64]) -> tuple[NDArray[np.uint8], NDArray[np.float64]]:
    """The source, area-averaged to the map's size where it shrinks much: bilinear sampling would skip pixels."""
    scale = float(np.sqrt(abs(np.linalg.det(matrix[:, :2]))))
    if scale > 0.67:
        return luma, matrix
    height, width = luma.shape
    size = max(2, round(width * scale)), max(2, round(height * scale))
    factors = np.array([width / size[0], height / size[1]])
    small = np.asarray(cv2.resize(luma, size, interpolation=cv2.INTER_AREA), np.uint8)
    return small, np.hstack([matrix[:, :2] * factors, matrix[:, 2:]])


def warp(
    luma: NDArray[np.uint8], matrix: NDArray[np.float64], size: tuple[int, int], border: int, level: int
) -> NDArray[np.uint8]:
    """Bilinear, into `size` (width, height). OpenCV's pixel centres are at integers, ours at halves."""
    inner = matrix.copy()
    inner[:, 2] += matrix[:, :2] @ [0.5, 0.5] - 0.5
    return np.asarray(
        cv2.warpAffine(luma, inner, size, flags=cv2.INTER_LINEAR, borderMode=border, borderValue=level), np.uint8
    )


def blend(
    luma: NDArray[np.uint8], face: NDArray[np.uint8], alpha: NDArray[np.uint8], matrix: NDArray[np.float64]
) -> None:
    """Lay `face` over `luma`, in place, as far as `alpha` covers."""
    height, width = face.shape
    corners = np.array([[0, 0], [width, 0], [0, height], [width, height]]) @ matrix[:, :2].T + matrix[:, 2]
    low = np.maximum(np.floor(corners.min(0)), 0).astype(int)
    high = np.minimum(np.ceil(corners.max(0)), luma.shape[::-1]).astype(int)
    if (high <= low).any():
        return
    local = matrix.copy()
    local[:, 2] -= low
    size = int(high[0] - low[0]), int(high[1] - low[1])
    small, inner = halved(face, local)
    over = warp(small, inner, size, cv2.BORDER_REPLICATE, 0)
    small, inner = halved(alpha, local)
    much = warp(small, inner, size, cv2.BORDER_CONSTANT, 0).astype(np.uint16)
    part = luma[low[1] : high[1], low[0] : high[0]]
    part[...] = ((over * much + part * (255 - much) + 127) // 255).astype(np.uint8)


def lit(luma: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
    """Another exposure: gamma, contrast and brightness, sometimes light from one side."""
    level = np.arange(256) / 255
    curve = level ** np.exp(rng.normal(0, 0.3)) * np.exp(rng.normal(0, 0.25)) + rng.normal(0, 0.08)
    exposed = cv2.LUT(luma, (np.clip(curve, 0, 1) * 255).astype(np.uint8))
    if rng.random() < 0.2:
        height, width = luma.shape
        across, down = rng.normal(0, 0.3, 2)
        ramp = np.linspace(-1, 1, width)[None] * across + np.linspace(-1, 1, height)[:, None] * down
        exposed = np.clip(exposed * np.exp(ramp.astype(np.float32)), 0, 255)
    return np.asarray(exposed, np.uint8)


def taken(luma: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
    """The whole canvas as some camera and some file would have it: exposure, blur, coarse pixels, noise, JPEG."""
    luma = lit(luma, rng) if rng.random() < 0.5 else luma
    side = luma.shape[0]
    what = rng.random(4)
    if what[0] < 0.15:
        luma = cv2.GaussianBlur(luma, (0, 0), float(rng.uniform(0.4, 1.6)))
    elif what[0] < 0.3:
        small = round(side * rng.uniform(0.4, 0.9))
        luma = cv2.resize(cv2.resize(luma, (small, small), interpolation=cv2.INTER_AREA), (side, side))
    elif what[0] < 0.4:
        soft = cv2.GaussianBlur(luma, (0, 0), 1.0)
        luma = cv2.addWeighted(luma, 1.7, soft, -0.7, 0)
    if what[1] < 0.3:
        noise = np.empty(luma.shape, np.int8)
        cv2.setRNGSeed(int(rng.integers(1 << 30)))
        cv2.randn(noise, 0, float(rng.uniform(1, 12)))
        luma = cv2.add(luma, noise, dtype=cv2.CV_8U)
    if what[2] < 0.25:
        encoded = cv2.imencode(".jpg", luma, [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(25, 85))])[1]
        luma = cv2.imdecode(encoded, cv2.IMREAD_GRAYSCALE)
    return np.asarray(luma, np.uint8)

"""What stands behind a statue: a piece of a photo, a museum's wall, a pit's earth, a photographer's cloth."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

F32 = NDArray[np.float32]


def photos(folder: str) -> list[Path]:
    """Photos that show no face, as far as `yunet_faces.json` beside them says; none where there is no folder."""
    where = Path(folder).expanduser()
    if not folder or not where.is_dir():
        return []
    listed = where / "yunet_faces.json"
    with_faces = set(json.loads(listed.read_text())) if listed.exists() else set()
    return sorted(path for path in where.iterdir() if path.suffix == ".jpg" and path.name not in with_faces)


def draw(side_px: int, choices: list[Path], random: Generator) -> F32:
    """Linear RGB `[side_px, side_px, 3]`."""
    kind = random.random()
    if choices and kind < 0.45:
        image = cv2.imread(str(choices[random.integers(len(choices))]), cv2.IMREAD_COLOR)
        if image is not None:
            return _cut(image[..., ::-1], side_px, random)
    if kind < 0.7:
        return _wall(side_px, random)
    if kind < 0.85:
        return _earth(side_px, random)
    dark = random.uniform(0, 0.05) if random.random() < 0.7 else random.uniform(0.5, 1.0)
    return np.full((side_px, side_px, 3), dark, np.float32)


def _cut(image: NDArray[np.uint8], side_px: int, random: Generator) -> F32:
    height, width = image.shape[:2]
    size = int(min(height, width) * random.uniform(0.4, 1.0))
    top, left = random.integers(0, height - size + 1), random.integers(0, width - size + 1)
    square = cv2.resize(image[top : top + size, left : left + size], (side_px, side_px), interpolation=cv2.INTER_AREA)
    blur = random.uniform(0, 0.04) * side_px * (random.random() < 0.6)
    if blur > 0.3:
        square = cv2.GaussianBlur(square, (0, 0), blur)
    return ((square / np.float32(255)) ** 2.2 * np.float32(random.uniform(0.4, 1.2))).astype(np.float32)


def _wall(side_px: int, random: Generator) -> F32:
    colour = np.clip(random.uniform(0.05, 0.8) + random.normal(0, 0.06, 3), 0.01, 1)
    slope = random.normal(0, 0.35, 2)
    y, x = np.mgrid[0:side_px, 0:side_px] / side_px - 0.5
    shading = np.clip(1 + slope[0] * x + slope[1] * y, 0.1, 2)
    return (colour * shading[..., None]).astype(np.float32)


def _earth(side_px: int, random: Generator) -> F32:
    colour = np.array((0.28, 0.2, 0.13)) * random.uniform(0.3, 1.6)
    field = np.zeros((side_px, side_px))
    for cells in (3, 7, 17, 41):
        grid = random.normal(0, 1, (cells, cells)).astype(np.float32)
        field += cv2.resize(grid, (side_px, side_px), interpolation=cv2.INTER_CUBIC) / cells**0.5
    return np.clip(colour * (1 + 0.35 * field[..., None]), 0.005, 1).astype(np.float32)

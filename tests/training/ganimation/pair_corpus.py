"""A corpus of drawn heads whose pictures of one scene differ in the expression alone: the first is neutral, the others
show one of the six."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pyarrow
import pyarrow.parquet
from numpy.typing import NDArray

from tests.training.shape.tiny_corpus import draw, shape
from training.clay.corpus import ACTION_UNITS, mask_path, picture_path
from training.clay.units import PROTOTYPES

SIDE_PX = 96


def write(folder: Path, heads: int, variants: int = 3, scans: int = 0) -> Path:
    """`heads` scenes of `variants` pictures each; the last `scans` scenes have no units and landmarks."""
    rows = []
    for index in range(heads * variants):
        head, variant = divmod(index, variants)
        random = np.random.default_rng(head)
        middle, wide, size = SIDE_PX * random.uniform(0.47, 0.53, 2), random.uniform(0.9, 1.1), 0.55 * SIDE_PX
        expression = "neutral" if variant == 0 else list(PROTOTYPES)[(head + variant) % len(PROTOTYPES)]
        units = np.zeros(17)
        if variant:
            strengths = PROTOTYPES[expression][0]
            units[:] = [strengths.get(name, 0.0) for name in ACTION_UNITS]
        landmarks = shape(units, wide) * size + middle
        box, skull = (around(points, size) for points in (landmarks, shape(np.zeros(17), wide) * size + middle))
        picture, mask = draw(landmarks, skull, units, SIDE_PX, np.random.default_rng((head, 1)))
        for path, canvas in ((picture_path(folder, index), picture), (mask_path(folder, index), mask)):
            path.parent.mkdir(parents=True, exist_ok=True)
            cv2.imwrite(str(path), canvas)
        known = head < heads - scans
        rows.append(row(index, head, variant, expression, units, landmarks, box, known))
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows), folder / "manifest.parquet")
    return folder


def around(landmarks: NDArray[np.float64], size: float) -> NDArray[np.float64]:
    """The box (x, y, width, height) of a head: its landmarks and a forehead."""
    low, high = landmarks.min(0), landmarks.max(0)
    low[1] -= 0.2 * size
    return np.concatenate([low, high - low])


def row(
    index: int,
    head: int,
    variant: int,
    expression: str,
    units: NDArray[np.float64],
    landmarks: NDArray[np.float64],
    box: NDArray[np.float64],
    known: bool,
) -> dict[str, object]:
    unknown = 0.0 if known else np.nan
    return {
        "index": index,
        "identity": f"head_{head}",
        "scene": head,
        "expression": expression,
        "intensity": 1.0 if variant else 0.0,
        "action_units": (units + unknown).tolist(),
        "landmarks": (landmarks.ravel() + unknown).tolist(),
        "visible": [known] * 68,
        "box": box.tolist(),
        "pose": [0.0, 0.0, 0.0],
        "kind": "ict" if known else "scan",
        "material": "marble",
        "light": "soft",
        "posture": "bust",
        "size": [SIDE_PX, SIDE_PX],
    }

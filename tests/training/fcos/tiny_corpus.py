"""A rendered corpus in miniature, as `training.clay.corpus.read` opens it: drawn ovals with eyes and a mouth."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pyarrow as pa
import pyarrow.parquet as parquet

from training.clay.corpus import ACTION_UNITS, LANDMARKS, mask_path, picture_path

SIDE_PX = 96


def write(folder: Path, count: int = 24, seed: int = 0) -> Path:
    """Draw `count` heads of `count // 2` identities; every tenth is a scan, without landmarks or units."""
    rng = np.random.default_rng(seed)
    rows: dict[str, list[object]] = {}
    for index in range(count):
        scan = index % 10 == 9
        middle, half = rng.uniform(42, 54, 2), rng.uniform(20, 30)
        picture, mask = draw(middle, half, rng)
        for path, content in (
            (picture_path(folder, index), picture[..., ::-1]),
            (mask_path(folder, index), mask),
        ):
            path.parent.mkdir(parents=True, exist_ok=True)
            cv2.imwrite(str(path), content)
        landmarks = np.tile(middle, (LANDMARKS, 1))
        for rows_of, x, y in (
            ((36, 42), -0.4, -0.3),
            ((42, 48), 0.4, -0.3),
            ((48, 49), -0.35, 0.5),
            ((54, 55), 0.35, 0.5),
        ):
            landmarks[slice(*rows_of)] += np.array([x, y]) * half
        row = {
            "index": index,
            "identity": f"head{index // 2}",
            "scene": index,
            "expression": "neutral",
            "intensity": 0.0,
            "action_units": np.full(len(ACTION_UNITS), np.nan if scan else 0.0, np.float32),
            "landmarks": (np.full((LANDMARKS, 2), np.nan) if scan else landmarks).astype(np.float32).ravel(),
            "visible": np.full(LANDMARKS, not scan),
            "box": np.array([*(middle - [0.8 * half, half]), 1.6 * half, 2 * half], np.float32),
            "pose": np.zeros(3, np.float32),
            "kind": "scan" if scan else "ict",
            "material": "clay",
            "light": "museum",
            "posture": "",
            "size": np.array([SIDE_PX, SIDE_PX]),
        }
        for name, value in row.items():
            rows.setdefault(name, []).append(value.tolist() if isinstance(value, np.ndarray) else value)
    parquet.write_table(pa.table(rows), folder / "manifest.parquet")
    return folder


def draw(
    middle: np.ndarray, half: float, rng: np.random.Generator, side: int = SIDE_PX
) -> tuple[np.ndarray, np.ndarray]:
    """A head of half-height `half` around `middle`: picture `[side, side, 3]` and mask `[side, side]`, uint8."""
    ground = rng.integers(0, 90, (side, side, 3), np.uint8)
    mask = np.zeros((side, side), np.uint8)
    at = tuple(round(float(value)) for value in middle)
    cv2.ellipse(mask, at, (int(0.8 * half), int(half)), 0, 0, 360, 255, -1)
    picture = np.where(mask[..., None] > 0, np.uint8(rng.integers(140, 220)), ground).astype(np.uint8)
    for x in (-0.4, 0.4):
        eye = round(float(middle[0] + x * half)), round(float(middle[1] - 0.3 * half))
        cv2.circle(picture, eye, max(1, int(0.14 * half)), (20, 20, 20), -1)
    mouth = round(float(middle[0])), round(float(middle[1] + 0.5 * half))
    cv2.ellipse(picture, mouth, (int(0.35 * half), max(1, int(0.1 * half))), 0, 0, 360, (30, 30, 30), -1)
    return picture, mask

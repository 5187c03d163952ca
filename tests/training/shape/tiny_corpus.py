"""A rendered corpus in the form that `training.clay.corpus.read` reads, of drawn faces: flat ellipses whose brows,
lids and mouth follow the action units, exactly as far as the landmarks say."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pyarrow
import pyarrow.parquet
from numpy.typing import NDArray

from training.clay.corpus import ACTION_UNITS, mask_path, picture_path

UNIT = {name: at for at, name in enumerate(ACTION_UNITS)}


def shape(units: NDArray[np.float64], wide: float) -> NDArray[np.float64]:
    """68 landmarks of a frontal face in a head of width 1, its middle at 0, y down."""
    au = {name: units[at] for name, at in UNIT.items()}
    jaw = 0.12 * au["AU26"]
    angle = np.linspace(np.pi * 1.02, -np.pi * 0.02, 17)
    chin = np.stack([np.cos(angle) * 0.5 * wide, 0.02 + (0.62 + jaw) * np.sin(angle).clip(0)], 1)
    brow_x = np.linspace(-0.38, -0.1, 5)
    inner = np.linspace(0, 1, 5)
    lift = 0.1 * (au["AU01"] * inner + au["AU02"] * (1 - inner)) - 0.1 * au["AU04"] * (0.4 + 0.6 * inner)
    right_brow = np.stack([brow_x + 0.03 * au["AU04"], -0.24 - 0.04 * np.sin(inner * np.pi) - lift], 1)
    nose_y = np.linspace(-0.1, 0.14, 4) - 0.03 * au["AU09"]
    nose = np.concatenate(
        [
            np.stack([np.zeros(4), nose_y], 1),
            np.stack([np.linspace(-0.1, 0.1, 5), 0.19 - 0.04 * au["AU09"] + 0.02 * np.array([0, 0.5, 1, 0.5, 0])], 1),
        ]
    )
    opened = 0.05 * (1 + 0.8 * au["AU05"] - 0.4 * au["AU07"] - 0.3 * au["AU06"]) * (1 - au["AU45"])
    around = np.array([[-1, 0], [-0.4, -1], [0.4, -1], [1, 0], [0.4, 1], [-0.4, 1]])
    right_eye = around * (0.09, opened) + (-0.22, -0.1 - 0.01 * au["AU06"])
    half = 0.17 + 0.06 * au["AU12"] + 0.06 * au["AU20"] - 0.05 * au["AU23"] + 0.015 * au["AU14"]
    corner = 0.33 - 0.08 * au["AU12"] + 0.08 * au["AU15"] - 0.02 * au["AU14"]
    gap = 0.03 * au["AU25"] + 0.5 * jaw
    top = 0.3 - 0.05 * au["AU10"] - 0.5 * gap
    bottom = 0.37 + gap + 0.3 * jaw - 0.05 * au["AU17"]
    spots = np.linspace(-1, 1, 7)
    upper = np.stack([spots * half, corner + (top - corner) * (1 - spots**2)], 1)
    lower = np.stack([spots[-2:0:-1] * half, corner + (bottom - corner) * (1 - spots[-2:0:-1] ** 2)], 1)
    inside = np.linspace(-0.8, 0.8, 5)
    upper_in = np.stack([inside * half, corner + (top + 0.03 - corner) * (1 - inside**2)], 1)
    lower_in = np.stack([inside[3:0:-1] * half, corner + (bottom - 0.03 - corner) * (1 - inside[3:0:-1] ** 2)], 1)
    mirror = np.array([-1, 1])
    left_eye = right_eye[[3, 2, 1, 0, 5, 4]] * mirror
    parts = [chin, right_brow, right_brow[::-1] * mirror, nose, right_eye, left_eye, upper, lower, upper_in, lower_in]
    return np.concatenate(parts)


def draw(landmarks: NDArray[np.float64], box: NDArray[np.float64], units: NDArray[np.float64], side_px: int,
         random: np.random.Generator) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:  # fmt: skip
    """The picture, RGB, and the head's mask; features are lines between the landmarks."""
    stone, ground, ink = random.integers(130, 220), random.integers(20, 235), random.integers(10, 70)
    picture = np.full((side_px, side_px), ground, np.uint8)
    mask = np.zeros_like(picture)
    fine = 4  # bits of sub-pixel positions

    def line(canvas: NDArray[np.uint8], first: int, last: int, closed: bool, value: int, filled: bool = False) -> None:
        points = np.round(landmarks[first:last] * 2**fine).astype(np.int32)[:, None]
        if filled:
            cv2.fillPoly(canvas, [points], value, cv2.LINE_AA, fine)
        else:
            cv2.polylines(canvas, [points], closed, value, max(1, side_px // 90), cv2.LINE_AA, fine)

    centre, size = box[:2] + box[2:] / 2, box[2:] / 2
    where = tuple(np.round(centre * 2**fine).astype(int).tolist()), tuple(np.round(size * 2**fine).astype(int).tolist())
    for canvas, value in ((picture, int(stone)), (mask, 255)):
        cv2.ellipse(canvas, *where, 0, 0, 360, value, -1, cv2.LINE_AA, fine)
        line(canvas, 0, 17, False, value, filled=True)
    for first, last, closed in ((0, 17, False), (17, 22, False), (22, 27, False), (27, 31, False), (31, 36, False),
                                (36, 42, True), (42, 48, True), (48, 60, True)):  # fmt: skip
        line(picture, first, last, closed, int(ink))
    line(picture, 60, 68, True, int(ink), filled=True)
    return np.repeat(picture[..., None], 3, 2), mask


def write(folder: Path, heads: int, per_head: int = 4, side_px: int = 128, scans: int = 0, seed: int = 0) -> Path:
    """A corpus of `heads` x `per_head` pictures, its last `scans` rows without landmarks and units."""
    random = np.random.default_rng(seed)
    rows = []
    for index in range(heads * per_head):
        units = random.uniform(0, 1, 17) * (random.uniform(0, 1, 17) < 0.5)
        head = np.random.default_rng((seed, index // per_head))
        wide, size = head.uniform(0.9, 1.1), head.uniform(0.45, 0.6) * side_px
        roll, yaw = random.normal(0, 8), random.uniform(-40, 40)
        turn = np.radians(roll)
        flat = shape(units, wide) * (np.cos(np.radians(yaw)), 1)
        turned = flat @ np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]])
        middle = side_px * random.uniform(0.45, 0.55, 2)
        landmarks = turned * size + middle
        low, high = landmarks.min(0), landmarks.max(0)
        low[1] -= 0.2 * size  # the forehead
        box = np.concatenate([low, high - low])
        picture, mask = draw(landmarks, box, units, side_px, random)
        for path, canvas in ((picture_path(folder, index), picture), (mask_path(folder, index), mask)):
            path.parent.mkdir(parents=True, exist_ok=True)
            cv2.imwrite(str(path), canvas)
        scan = index >= heads * per_head - scans
        rows.append(
            {
                "index": index,
                "identity": f"{seed}_{index // per_head}",
                "scene": index // per_head,
                "expression": "",
                "intensity": 0.5,
                "action_units": np.full(17, np.nan).tolist() if scan else units.tolist(),
                "landmarks": np.full(136, np.nan).tolist() if scan else landmarks.ravel().tolist(),
                "visible": ((landmarks >= 0) & (landmarks < side_px)).all(1).tolist(),
                "box": box.tolist(),
                "pose": [yaw, 0.0, roll],
                "kind": "scan" if scan else "ict",
                "material": ("marble", "bronze")[index % 2],
                "light": ("soft", "hard")[index // 2 % 2],
                "posture": "bust",
                "size": [side_px, side_px],
            }
        )
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows), folder / "manifest.parquet")
    return folder

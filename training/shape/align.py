"""Faces brought upright and to the classifier's frame by an exported landmarker, as the services do it.

Pictures are RGB `[height, width, 3] uint8`, boxes (x, y, width, height) and points in their pixels.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from training import gate
from training.shape.frame import DEFAULT_FRAME, Function
from training.shape.squares import Square, around, cut, five_points, inner, to_picture

FACE_PX = 112
MIN_QUALITY = 0.2  # below it the landmarks are not trusted and the box decides alone


@dataclass(frozen=True, slots=True)
class Shaped:
    """A face with its landmarks `[68, 2]` in pixels of the picture, action units `[17]`, quality, the square that the
    landmarker saw and the one that a classifier wants."""

    landmarks: NDArray[np.float32]
    action_units: NDArray[np.float32]
    quality: float
    seen: Square
    wanted: Square


def landmarker(path: Path) -> Function:
    """An exported file as a function of crops `[n, 112, 112, 3] uint8`, on one core.

    Raises:
        FileNotFoundError: no such file.
    """
    if not path.exists():
        raise FileNotFoundError(f"no landmarker at {path}: export one first (mien export CONFIG)")
    return gate.of_file(path)


def shaped(
    picture: NDArray[np.uint8], box: NDArray[np.float32], points: NDArray[np.float32] | None, model: Function
) -> Shaped:
    """Ask the landmarker about one face; without the five points it looks twice, the second time with level eyes."""
    square = around(box, points)
    answer = _ask(model, picture, square)
    if points is None and answer["quality"][0, 0] >= MIN_QUALITY:
        square = around(box, five_points(to_picture(answer["landmarks"][0], square)))
        answer = _ask(model, picture, square)
    quality = float(answer["quality"][0, 0])
    frame = answer["frame"][0] if quality >= MIN_QUALITY else np.array([*DEFAULT_FRAME, 0.0], np.float32)
    landmarks = to_picture(answer["landmarks"][0], square)
    return Shaped(landmarks, answer["action_units"][0], quality, square, inner(square, frame))


def aligned(
    picture: NDArray[np.uint8],
    box: NDArray[np.float32],
    points: NDArray[np.float32] | None,
    model: Function,
    side_px: int,
) -> NDArray[np.uint8]:
    """The classifier's crop of one face, luma `[side_px, side_px] uint8`.

    Args:
        points: `[5, 2]`, right and left eye, nose tip, mouth corners; None where the detector gave none.
        model: `landmarker(path)`.
    """
    wanted = shaped(picture, box, points, model).wanted
    return cut(cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY).astype(np.uint8, copy=False), wanted, side_px)


def _ask(model: Function, picture: NDArray[np.uint8], square: Square) -> dict[str, NDArray[np.float32]]:
    return model(cut(picture, square, FACE_PX)[None])

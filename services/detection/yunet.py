"""Faces by YuNet (Wu et al., 2023), a small network for OpenCV's `FaceDetectorYN`, from a file that the deployer has.

Mien does not ship the file: `face_detection_yunet_2023mar.onnx` of OpenCV Zoo (MIT). It finds faces from about 10 to
300 px, so a picture is searched at several sizes and the best answer for each face is kept. It gives five landmarks.
"""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from services.detection.boxes import Framing, overlaps, resized_to
from services.domain import RGB, Box, Face, Square

# Long sides that are searched: the small ones find the faces that fill the picture, the large one those in a crowd.
LONG_SIDES_PX = (160, 320, 640, 1280)
MIN_SCORE = 0.8
FRAMING = Framing(scale=1.11, shift_y=-0.015)

_NMS_OVERLAP = 0.3
_SMALLEST_PX = 32  # the network's stride; a thinner picture has no cell to answer


class YuNetFinder:
    """Finds faces of any size, turned up to about half a profile; for one thread."""

    def __init__(self, path: Path, min_score: float = MIN_SCORE) -> None:
        """Load the network.

        Raises:
            FileNotFoundError: there is no such file.
            ValueError: the file is not a network that OpenCV can read.
        """
        if not path.is_file():
            raise FileNotFoundError(f"no face detector at {path}: name the file face_detection_yunet_2023mar.onnx")
        try:
            self._network = cv2.FaceDetectorYN.create(str(path), "", (320, 320), min_score, _NMS_OVERLAP)
        except cv2.error as error:
            raise ValueError(f"{path} is not a YuNet network that OpenCV can read") from error

    def find(self, image: RGB) -> list[Face]:
        """Every face with a score of at least `min_score`, the surest first; none twice."""
        longest = max(image.shape[:2])
        # Enlarging beyond twice the picture shows nothing new.
        rows = np.concatenate(
            [
                self._search(image, long_px)
                for long_px in LONG_SIDES_PX
                if long_px <= 2 * longest or long_px == LONG_SIDES_PX[0]
            ]
        )
        rows = rows[np.argsort(-rows[:, 14], kind="stable")]
        faces: list[Face] = []
        while len(rows):
            faces.append(_face(rows[0]))
            rows = rows[overlaps(rows[0, :4], rows[:, :4]) < _NMS_OVERLAP]
        return faces

    def frame(self, face: Face) -> Square:
        """The square that FER+ would show of this face."""
        return FRAMING.square(face.box)

    def _search(self, image: RGB, long_px: int) -> NDArray[np.float64]:
        """`[n, 15]`: box, five points, score, in pixels of the picture."""
        small, factor = resized_to(image, long_px)
        bgr = cv2.cvtColor(small, cv2.COLOR_RGB2BGR)
        height, width = bgr.shape[:2]
        below, right = max(0, _SMALLEST_PX - height), max(0, _SMALLEST_PX - width)
        if below or right:
            bgr = cv2.copyMakeBorder(bgr, 0, below, 0, right, cv2.BORDER_REPLICATE)
        self._network.setInputSize((bgr.shape[1], bgr.shape[0]))
        found = self._network.detect(bgr)[1]
        if found is None:
            return np.zeros((0, 15))
        rows = np.asarray(found, np.float64)
        rows[:, :14] /= factor
        return rows[(rows[:, 2:4] > 0).all(1)]


def _face(row: NDArray[np.float64]) -> Face:
    x, y, width, height = (float(value) for value in row[:4])
    points = tuple((float(px), float(py)) for px, py in row[4:14].reshape(5, 2))
    return Face(Box(x, y, width, height), min(max(float(row[14]), 0.0), 1.0), points)

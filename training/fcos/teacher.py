"""YuNet (OpenCV Zoo, MIT) as a teacher and a yardstick: faces with five points, at several sizes of the picture.

It is never shipped. What it found before may stand in a `yunet_faces.json` beside the pictures instead: by the
picture's name, rows of x, y, width, height, score, without points.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

LONG_SIDES_PX = (160, 320, 640, 1280)
SURE, SEEN = 0.8, 0.6  # from here on it teaches; from here on it is at least not taught to be no face
LISTING = "yunet_faces.json"
SUFFIXES = {".jpg", ".jpeg", ".png"}

Finder = Callable[[NDArray[np.uint8]], NDArray[np.float64]]


def yunet(path: Path, long_sides_px: tuple[int, ...] = LONG_SIDES_PX, least: float = SEEN) -> Finder:
    """A function from RGB `[h, w, 3] uint8` to rows `[n, 15]`: x, y, width, height, five points, score; the best first.

    Raises:
        FileNotFoundError: no such file, with where it comes from.
    """
    path = path.expanduser()
    if not path.exists():
        raise FileNotFoundError(f"no teacher at {path}: put face_detection_yunet_2023mar.onnx of opencv_zoo there")
    network = cv2.FaceDetectorYN.create(str(path), "", (320, 320), least, 0.3, 500)

    def find(image: NDArray[np.uint8]) -> NDArray[np.float64]:
        found = [np.zeros((0, 15))]
        longest = max(image.shape[:2])
        for long_px in long_sides_px:
            if long_px > 2 * longest and long_px != long_sides_px[0]:
                continue  # enlarging further shows nothing new
            scale = long_px / longest
            size = [max(16, round(side * scale)) for side in image.shape[1::-1]]
            small = cv2.resize(image, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR)
            network.setInputSize(size)
            rows = network.detect(np.ascontiguousarray(small[..., ::-1]))[1]
            if rows is not None:
                rows = np.asarray(rows, np.float64)
                rows[:, :14] /= np.tile([size[0] / image.shape[1], size[1] / image.shape[0]], 7)
                found.append(rows[(rows[:, 2:4] > 0).all(1)])
        rows = np.concatenate(found)
        return rows[suppress(rows[:, :4], rows[:, 14], 0.4)]

    return find


def listed(folder: Path) -> dict[str, NDArray[np.float64]] | None:
    """A folder's listing: by the picture's name rows `[n, 5]`; pictures without a face are not in it. None: no list."""
    listing = folder / LISTING
    if not listing.exists():
        return None
    return {name: np.array(rows, np.float64).reshape(-1, 5) for name, rows in json.loads(listing.read_text()).items()}


def pictures(folder: Path) -> list[Path]:
    """The pictures of a folder, by name.

    Raises:
        FileNotFoundError: no such folder, or no picture in it.
    """
    folder = folder.expanduser()
    found = sorted(path for path in folder.glob("*") if path.suffix.lower() in SUFFIXES)
    if not found:
        raise FileNotFoundError(f"no picture in {folder}: put some there, beside their {LISTING} if there is one")
    return found


def read_rgb(path: Path) -> NDArray[np.uint8]:
    """A picture as RGB `[h, w, 3] uint8`, upright."""
    found = cv2.imread(str(path), cv2.IMREAD_COLOR)
    if found is None:
        raise ValueError(f"{path} is not a picture that can be read")
    return np.ascontiguousarray(found[..., ::-1])


def suppress(boxes: NDArray[np.float64], scores: NDArray[np.float64], most: float) -> NDArray[np.intp]:
    """Greedy non-maximum suppression: which rows stay, the best first. `boxes` `[n, 4]` x, y, width, height."""
    order = np.argsort(-scores, kind="stable")
    kept: list[int] = []
    while len(order):
        kept.append(int(order[0]))
        order = order[overlaps(boxes[order[0]], boxes[order]) <= most]
    return np.array(kept, np.intp)


def overlaps(box: NDArray[np.float64], boxes: NDArray[np.float64]) -> NDArray[np.float64]:
    """Intersection over union of one box with `[n, 4]`; 1 with itself."""
    low = np.maximum(box[:2], boxes[:, :2])
    high = np.minimum(box[:2] + box[2:4], boxes[:, :2] + boxes[:, 2:4])
    both = np.clip(high - low, 0, None).prod(1)
    union = box[2:4].prod() + boxes[:, 2:4].prod(1) - both
    return both / np.maximum(union, 1e-9)

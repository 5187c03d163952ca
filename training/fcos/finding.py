"""From a detector's function to the faces of a picture: canvases, candidates back to the picture, one of each face.

The tiling is the detection service's, written again because training knows nothing of services: the whole picture at
320 px; beyond 400 px of its own also at 640 and beyond 900 also at 1280, in tiles of 320 that overlap by 64 or more.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import cv2
import numpy as np
from numpy.typing import NDArray

from training.fcos.composition import GREY
from training.shape.squares import around, cut

CANVAS_PX, OVERLAP_PX = 320, 64
LEVELS_PX = ((640, 400), (1280, 900))
SAME, WITHIN = 0.4, 0.75
CUT_PX = 2  # a box that ends so near to an edge beyond which the picture goes on is left to another tile
BATCH = 16
# The service's (services/detection/network.py): what a face must reach alone, and with the landmarker's quality.
MIN_SCORE, MIN_DOUBTED_SCORE = 0.55, 0.35
QUALITY_WEIGHT, MIN_SUM = 0.5, 0.69
CROP_PX = 112  # of the landmarker

Answers = dict[str, NDArray[np.float32]]
Function = Callable[[NDArray[np.uint8]], Answers]


def find(function: Function, image: NDArray[np.uint8], least: float = 0.05) -> NDArray[np.float64]:
    """Rows `[n, 15]` of an RGB picture, the surest first: x, y, width, height, five points, score; its pixels."""
    height, width = image.shape[:2]
    sides = [CANVAS_PX, *(side for side, beyond in LEVELS_PX if max(height, width) > beyond)]
    canvases, origins = [], []
    for side in sides:
        size = [max(1, round(length * side / max(height, width))) for length in (width, height)]
        shrinks = side <= max(height, width)
        scaled = cv2.resize(image, size, interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR)
        for top in _starts(size[1]):
            for left in _starts(size[0]):
                part = scaled[top : top + CANVAS_PX, left : left + CANVAS_PX]
                canvas = np.full((CANVAS_PX, CANVAS_PX, 3), GREY, np.uint8)
                canvas[: part.shape[0], : part.shape[1]] = part
                canvases.append(canvas)
                origins.append((left, top, *size))
    rows = [np.zeros((0, 15))]
    for at in range(0, len(canvases), BATCH):
        answers = function(np.stack(canvases[at : at + BATCH]))
        for row, (left, top, wide, high) in enumerate(origins[at : at + BATCH]):
            boxes, scores = answers["boxes"][row].astype(np.float64), answers["scores"][row].astype(np.float64)
            points = answers["points"][row].astype(np.float64)
            kept = (scores >= least) & _whole(boxes, left, wide, 0) & _whole(boxes, top, high, 1)
            scale = np.array([width / wide, height / high])
            low = (boxes[kept, :2] + [left, top]) * scale
            placed = (points[kept] + [left, top]) * scale
            rows.append(np.hstack([low, boxes[kept, 2:] * scale, placed.reshape(-1, 10), scores[kept, None]]))
    found = np.concatenate(rows)
    middle = found[:, :2] + found[:, 2:4] / 2
    found = found[((middle >= 0) & (middle <= [width, height])).all(1) & (found[:, 2:4] > 0).all(1)]
    return found[distinct(found[:, :4], found[:, 14])]


def confirmed(rows: NDArray[np.float64], image: NDArray[np.uint8], landmarker: Function) -> NDArray[np.float64]:
    """All rows, judged by detector and landmarker together: the detection service's second look.

    The score becomes one on a single look's scale, `MIN_SCORE` where the sum of both just reaches what it must.

    Args:
        rows: `[n, 15]` of `find`. landmarker: crops `[n, 112, 112, 3] uint8` → answers with `quality` `[n, 1]`.
    """
    sums = rows[:, 14] + QUALITY_WEIGHT * qualities(rows, image, landmarker)
    return np.hstack([rows[:, :14], np.where(rows[:, 14] >= MIN_DOUBTED_SCORE, sums, 0)[:, None] - MIN_SUM + MIN_SCORE])


def qualities(rows: NDArray[np.float64], image: NDArray[np.uint8], landmarker: Function) -> NDArray[np.float64]:
    """The landmarker's quality of each row, `[n]` in [0, 1]; arguments as of `confirmed`."""
    if not len(rows):
        return np.zeros(0)
    squares = [around(row[:4], row[4:14].reshape(5, 2)) for row in rows]
    crops = np.stack([cut(image, square, CROP_PX) for square in squares])
    return landmarker(crops)["quality"][:, 0].astype(np.float64)


def distinct(boxes: NDArray[np.float64], scores: NDArray[np.float64]) -> NDArray[np.intp]:
    """Which rows stay, the surest first: none overlaps a surer one, or lies in it or around it."""
    order = np.argsort(-scores, kind="stable")
    areas = boxes[:, 2:4].prod(1)
    kept: list[int] = []
    while len(order):
        best, order = order[0], order[1:]
        kept.append(int(best))
        low = np.maximum(boxes[best, :2], boxes[order, :2])
        high = np.minimum(boxes[best, :2] + boxes[best, 2:4], boxes[order, :2] + boxes[order, 2:4])
        both = np.clip(high - low, 0, None).prod(1)
        same = both > SAME * (areas[best] + areas[order] - both)
        same |= both > WITHIN * np.minimum(areas[best], areas[order])
        order = order[~same]
    return np.array(kept, np.intp)


def _whole(boxes: NDArray[np.float64], start: int, length: int, axis: int) -> NDArray[np.bool_]:
    low, high = boxes[:, axis], boxes[:, axis] + boxes[:, axis + 2]
    whole = np.ones(len(boxes), np.bool_)
    if start > 0:
        whole &= low >= CUT_PX
    if start + CANVAS_PX < length:
        whole &= high <= CANVAS_PX - CUT_PX
    return whole


def _starts(length: int) -> list[int]:
    if length <= CANVAS_PX:
        return [0]
    count = math.ceil((length - CANVAS_PX) / (CANVAS_PX - OVERLAP_PX)) + 1
    return [round(number * (length - CANVAS_PX) / (count - 1)) for number in range(count)]

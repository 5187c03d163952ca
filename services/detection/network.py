"""Faces by the model repository's `face_detector`: on the same backend and batcher as every other model.

The network answers canvases of 320 px with their 200 best candidates (box, score, five points; see model_repository/
README.md), so that a picture's canvases share batches with those of other callers. Here candidates come back to pixels
of the picture, and each face is kept once.
"""

from __future__ import annotations

from functools import partial

import numpy as np
from numpy.typing import NDArray

from services import calls
from services.chassis.threads import Spent, Threads
from services.detection.boxes import Framing, distinct
from services.detection.roles import FACE_DETECTOR
from services.detection.tiles import CANVAS_PX, Tile, canvases, tiles
from services.domain import RGB, Box, Face, Square
from services.errors import Kind, MienError
from services.inference.backend import Backend, Tensors
from services.inference.roles import check

# All three were chosen on photographs that the detector was not trained on, see docs/detection.md.
MIN_SCORE = 0.55  # where the detector alone decides
MIN_DOUBTED_SCORE = 0.35  # where a landmarker looks too: cloth and foliage have a quality near 0
QUALITY_WEIGHT, MIN_SUM = 0.5, 0.69  # a face counts if score + weight x quality reaches this
MOST_FACES = 256  # of a picture, the surest: bounds the time and the answer's size for a picture of a crowd
FRAMING = Framing(scale=1.11, shift_y=-0.015)  # of boxes from forehead to chin, as YuNet's, for which it was measured

_MOST_CANDIDATES = 2048


class NetworkSearch:
    """Finds faces of any size with the entry `face_detector` of a backend."""

    def __init__(self, backend: Backend, threads: Threads, second_look: bool = False) -> None:
        """`second_look`: a landmarker will look at what is found, and `confirmed` is asked."""
        self._backend, self._threads = backend, threads
        self._min_score = MIN_DOUBTED_SCORE if second_look else MIN_SCORE

    async def search(self, image: RGB, spent: Spent) -> list[Face]:
        """Every face, the surest first; none twice."""
        layout = tiles(image.shape[1], image.shape[0])
        rows = await self._threads.do(partial(canvases, image, layout), spent)
        answer = await self._backend.infer(FACE_DETECTOR.name, {"images": rows}, deadline_s=calls.remaining_s())
        spent.queue_s += answer.queue_s
        spent.inference_s += answer.inference_s
        size = (image.shape[1], image.shape[0])
        return await self._threads.do(partial(faces_of, answer.outputs, layout, size, self._min_score), spent)

    def frame(self, face: Face) -> Square:
        """The square that FER+ would show of this face."""
        return FRAMING.square(face.box)

    def confirmed(self, face: Face, quality: float) -> bool:
        """Whether detector and landmarker together are sure enough."""
        return face.score + QUALITY_WEIGHT * quality >= MIN_SUM

    async def warm(self) -> None:
        """Ask once.

        Raises:
            RepositoryError: the entry is not a face detector.
        """
        check(self._backend, FACE_DETECTOR)
        await self.search(np.full((CANVAS_PX, CANVAS_PX, 3), 128, np.uint8), Spent())


def faces_of(outputs: Tensors, layout: list[Tile], size: tuple[int, int], min_score: float) -> list[Face]:
    """The network's answer for the canvases of `layout` → the faces of a picture of `size` (width, height).

    Raises:
        MienError: UNAVAILABLE, the network gave numbers that are none.
    """
    if not all(np.isfinite(outputs[name]).all() for name in ("boxes", "scores", "points")):
        raise MienError(Kind.UNAVAILABLE, "The face detector gave no valid answer. Tell whoever runs this service.")
    parts = [
        _candidates(tile, *(np.asarray(outputs[name][row], np.float64) for name in ("boxes", "scores", "points")))
        for row, tile in enumerate(layout)
    ]
    boxes, scores, points = (np.concatenate([part[column] for part in parts]) for column in range(3))
    centres = boxes[:, :2] + boxes[:, 2:] / 2
    seen = (scores >= min_score) & (boxes[:, 2:] > 0).all(1) & ((centres >= 0) & (centres <= size)).all(1)
    best = np.flatnonzero(seen)[np.argsort(-scores[seen], kind="stable")][:_MOST_CANDIDATES]
    kept = best[distinct(boxes[best], MOST_FACES)]
    return [
        Face(
            Box(*boxes[index].tolist()),
            min(float(scores[index]), 1.0),
            tuple((float(x), float(y)) for x, y in points[index]),
        )
        for index in kept
    ]


def _candidates(
    tile: Tile, boxes: NDArray[np.float64], scores: NDArray[np.float64], points: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Those of one canvas that it shows whole, in pixels of the picture."""
    whole = tile.whole(boxes)
    low, high = tile.to_picture(boxes[whole, :2]), tile.to_picture(boxes[whole, :2] + boxes[whole, 2:])
    return np.hstack([low, high - low]), scores[whole], tile.to_picture(points[whole])

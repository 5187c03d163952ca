"""Reads a generated picture again: what its faces show now, beside what they showed before.

The same detection and classification as any caller gets, on the very file that the caller gets. Used by the gateway's
generation.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial

import numpy as np

from services import synthetic
from services.chassis.threads import Spent, Threads
from services.domain import FACE_PX, RGB, Box, ChangedFace, Classifier, Detector, Face
from services.images import ImageLimits, decode

_SAME = 0.3  # overlap (intersection ÷ union) from which a face of the result is the one that was changed
_QUALITIES = (synthetic.QUALITY, 60)  # of the JPEG that is read instead of a PNG too large for the detection


class Measuring:
    """Detects and classifies once more; a face that is not found again has no measurement."""

    def __init__(self, detector: Detector, classifier: Classifier, threads: Threads, limits: ImageLimits) -> None:
        self._detector, self._classifier, self._threads, self._limits = detector, classifier, threads, limits

    async def measured(self, faces: Sequence[ChangedFace], crops: RGB, picture: bytes) -> tuple[ChangedFace, ...]:
        """The faces with their probabilities before, and with what the result shows.

        Args:
            crops: `[all faces found, 112, 112, 3] uint8`: the photo's, as they were.
            picture: the result's file.

        Raises:
            MienError: as `Detector.detect` and `Classifier.classify` do.
        """
        picture = await self._threads.do(partial(readable, picture, self._limits), Spent())
        found = await self._detector.detect(picture, crop_px=FACE_PX) if picture else None
        again = [_match(face.face.box, found.faces if found else ()) for face in faces]
        seen = [row for row in again if row is not None]
        rows = [crops[[face.index for face in faces]], *([found.crops[seen]] if found and seen else [])]
        answer = await self._classifier.classify(np.concatenate(rows))
        probabilities = [tuple(float(value) for value in row) for row in answer.probabilities]
        after = iter(probabilities[len(faces) :])
        result = []
        for face, before, row in zip(faces, probabilities, again, strict=False):
            units = found.faces[row].action_units if found and row is not None else None
            result.append(
                replace(face, before=before, measured=units or None, after=next(after) if row is not None else None)
            )
        return tuple(result)


def readable(picture: bytes, limits: ImageLimits) -> bytes:
    """The file, or a smaller one of the same picture; empty where none is small enough for the detection."""
    if len(picture) <= limits.max_bytes:
        return picture
    pixels = decode(picture, ImageLimits(len(picture), limits.max_pixels))
    for quality in _QUALITIES:
        smaller = synthetic.picture(pixels, "jpeg", quality)
        if len(smaller) <= limits.max_bytes:
            return smaller
    return b""


def _match(box: Box, faces: Sequence[Face]) -> int | None:
    """The face that overlaps the box most, if it is the same one."""
    overlaps = [_overlap(box, face.box) for face in faces]
    best = max(range(len(faces)), key=overlaps.__getitem__, default=None)
    return best if best is not None and overlaps[best] >= _SAME else None


def _overlap(one: Box, other: Box) -> float:
    """Intersection ÷ union."""
    width = min(one.x + one.width, other.x + other.width) - max(one.x, other.x)
    height = min(one.y + one.height, other.y + other.height) - max(one.y, other.y)
    shared = max(0.0, width) * max(0.0, height)
    return shared / (one.width * one.height + other.width * other.height - shared)

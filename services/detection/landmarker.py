"""Found faces → 68 landmarks, 17 action units, and the squares that other models want, by `face_landmarker`.

The model sees a square of 1.5 times the face, turned so that the eyes are level, and answers in units of that square
(see model_repository/README.md); here the answers come back to pixels of the picture. Where it says that its landmarks
are not to be trusted, a face keeps what the detector said, and its square stays the one around its box.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
from numpy.typing import NDArray

from services import calls
from services.chassis.threads import Spent, Threads
from services.detection.network import FRAMING
from services.detection.roles import FACE_LANDMARKER, LANDMARKS
from services.domain import ACTION_UNITS, RGB, Face, Square
from services.errors import Kind, MienError
from services.images import cut
from services.inference.backend import Backend, Tensors
from services.inference.roles import check

MIN_QUALITY = 0.3
CROP_PX = 112
CROP_SCALE = 1.5  # side of the model's square ÷ √(width x height) of a box from forehead to chin

_CLOSEST_EYES = 0.12  # of √(width x height): eyes that stand closer are a profile's, whose line tells no roll
_RIGHT_EYE, _LEFT_EYE = slice(36, 42), slice(42, 48)  # the person's, of the 68
_FRAME_SIDES = (0.25, 2.0)  # of a believable frame, in units of the model's square


@dataclass(frozen=True, slots=True)
class Reading:
    """A face, with landmarks and action units where they can be trusted; the square that the classifier gets; and the
    landmarker's quality in [0, 1], which is low where there is no face at all."""

    face: Face
    square: Square
    quality: float


@dataclass(frozen=True, slots=True)
class _Head:
    """A face, the square that the classifier gets without landmarks, and the one that the landmarker sees."""

    face: Face
    frame: Square
    seen: Square


class FaceLandmarker:
    """Reads faces with the entry `face_landmarker` of a backend; all faces of a picture go to it together."""

    def __init__(self, backend: Backend, threads: Threads, min_quality: float = MIN_QUALITY) -> None:
        self._backend, self._threads, self._min_quality = backend, threads, min_quality

    async def read(self, image: RGB, faces: list[Face], frames: list[Square], spent: Spent) -> list[Reading]:
        """The faces with landmarks and action units, and their aligned squares; n ≥ 1, in order.

        Args:
            frames: the classifier's square of each face, as it is without landmarks.

        Raises:
            MienError: QUEUE_FULL, DEADLINE_EXCEEDED, UNAVAILABLE, NOT_READY.
        """
        heads = [
            _Head(face, frame, seen_around(frame, eye_line_deg(face)))
            for face, frame in zip(faces, frames, strict=True)
        ]
        crops = await self._threads.do(partial(_crops, image, heads), spent)
        answer = await self._backend.infer(FACE_LANDMARKER.name, {"faces": crops}, deadline_s=calls.remaining_s())
        spent.queue_s += answer.queue_s
        spent.inference_s += answer.inference_s
        return await self._threads.do(partial(self._read, heads, answer.outputs), spent)

    def check(self) -> None:
        """Refuse an entry that is no landmarker.

        Raises:
            RepositoryError: the sentence says why.
        """
        check(self._backend, FACE_LANDMARKER)

    def _read(self, heads: list[_Head], outputs: Tensors) -> list[Reading]:
        if not all(np.isfinite(outputs[output.name]).all() for output in FACE_LANDMARKER.outputs):
            raise MienError(Kind.UNAVAILABLE, "The landmarker gave no valid answer. Tell whoever runs this service.")
        rows = zip(*(outputs[output.name] for output in FACE_LANDMARKER.outputs), strict=True)
        return [
            self._read_one(head, *(np.asarray(part, np.float64) for part in row))
            for head, row in zip(heads, rows, strict=True)
        ]

    def _read_one(
        self,
        head: _Head,
        landmarks: NDArray[np.float64],
        action_units: NDArray[np.float64],
        quality: NDArray[np.float64],
        frame: NDArray[np.float64],
    ) -> Reading:
        trust = float(quality[0])
        if trust < self._min_quality:
            return Reading(head.face, head.frame, trust)
        points = tuple((float(x), float(y)) for x, y in to_picture(head.seen, landmarks))
        intensities = dict(zip(ACTION_UNITS, action_units.clip(0, 1).tolist(), strict=True))
        face = replace(head.face, landmarks=points, action_units=intensities)
        face = replace(face, square=replace(head.seen, roll_deg=eye_line_deg(face, head.seen.roll_deg)))
        if not _FRAME_SIDES[0] <= frame[2] <= _FRAME_SIDES[1]:
            return Reading(face, head.frame, trust)
        centre_x, centre_y = to_picture(head.seen, frame[:2])
        side, roll_deg = float(frame[2]) * head.seen.side, head.seen.roll_deg + float(frame[3])
        return Reading(face, Square(float(centre_x), float(centre_y), side, roll_deg), trust)


def eye_line_deg(face: Face, otherwise: float = 0.0) -> float:
    """By how much the line from the person's right eye to the left one is turned clockwise, where anything tells."""
    if not face.landmarks:
        return otherwise
    if len(face.landmarks) == LANDMARKS:
        points = np.asarray(face.landmarks)
        (right_x, right_y), (left_x, left_y) = points[_RIGHT_EYE].mean(0), points[_LEFT_EYE].mean(0)
    else:
        (right_x, right_y), (left_x, left_y) = face.landmarks[:2]
    if math.hypot(left_x - right_x, left_y - right_y) <= _CLOSEST_EYES * math.sqrt(face.box.width * face.box.height):
        return otherwise
    return math.degrees(math.atan2(left_y - right_y, left_x - right_x))


def seen_around(frame: Square, roll_deg: float) -> Square:
    """The square that the landmarker sees of the face that the classifier would see in `frame`.

    Around a box from forehead to chin it is `CROP_SCALE` times as large, and centred on it: so the box is taken back
    from the frame. That also serves boxes of other finders, and pictures that are one face already.
    """
    side = frame.side / FRAMING.scale * CROP_SCALE
    x, y = frame.centre_x - FRAMING.shift_x * frame.side, frame.centre_y - FRAMING.shift_y * frame.side
    return Square(x, y, side, roll_deg)


def to_picture(square: Square, points: NDArray[np.float64]) -> NDArray[np.float64]:
    """`[..., 2]` points in units of the square's side, from its left and top edge → pixels of the picture."""
    roll = math.radians(square.roll_deg)
    turn = np.array([[math.cos(roll), math.sin(roll)], [-math.sin(roll), math.cos(roll)]])
    mapped: NDArray[np.float64] = (points - 0.5) * square.side @ turn + (square.centre_x, square.centre_y)
    return mapped


def _crops(image: RGB, heads: list[_Head]) -> RGB:
    return np.stack([cut(image, head.seen, CROP_PX) for head in heads])

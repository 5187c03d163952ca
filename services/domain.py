"""The words of Mien's services: values that travel between them, and the ports that they offer each other.

Images here are RGB `[height, width, 3] uint8`, upright; faces that were cut out are `[n, side, side, 3] uint8`.
Boxes and points are pixels of the upright image; a bare float is in [0, 1]. Nothing here knows a transport,
a framework or a setting. The local objects and the gRPC clients satisfy the same ports, so the gateway cannot tell
a laptop from a cluster.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

EXPRESSIONS = ("neutral", "happiness", "surprise", "sadness", "anger", "disgust", "fear")
ACTION_UNITS = (
    "AU01", "AU02", "AU04", "AU05", "AU06", "AU07", "AU09", "AU10", "AU12",
    "AU14", "AU15", "AU17", "AU20", "AU23", "AU25", "AU26", "AU45",
)  # fmt: skip

FACE_PX = 112  # side of the crops that the expression classifiers take
SQUARE_PX = 128  # side of the crops that the expression generators take
MOST_STEPS = 32  # frames from the face as it is to what it shall show
MOST_ROWS = 512  # faces x frames of one request: bounds its memory

RGB = NDArray[np.uint8]


def top_expression(probabilities: Sequence[float]) -> str:
    """The most probable of the seven, the first in Mien's order at a tie."""
    return EXPRESSIONS[max(range(len(EXPRESSIONS)), key=probabilities.__getitem__)]


@dataclass(frozen=True, slots=True)
class Box:
    """Pixels of the upright image; may reach over its edge."""

    x: float
    y: float
    width: float
    height: float


@dataclass(frozen=True, slots=True)
class Square:
    """A square in pixels of the picture; it may reach over the edge. `side` > 0.

    `roll_deg` turns it clockwise (as seen) about its centre; what leans by that much comes out upright.
    """

    centre_x: float
    centre_y: float
    side: float
    roll_deg: float = 0.0


@dataclass(frozen=True, slots=True)
class Face:
    """One face found.

    Attributes:
        score: how sure the detector is that this is a face.
        landmarks: (x, y) points: 68 in iBUG's order; or 5, the person's right eye, left eye, nose tip, right and left
            mouth corner, where no model for more is installed or it could not trust what it saw; or none.
        action_units: intensities by name (`ACTION_UNITS`), or empty where there are no 68 landmarks.
        square: what the landmarker saw, the eyes level: the square that an expression generator takes; None where
            there are no 68 landmarks.
    """

    box: Box
    score: float
    landmarks: tuple[tuple[float, float], ...] = ()
    action_units: Mapping[str, float] = field(default_factory=dict)
    square: Square | None = None


@dataclass(frozen=True, slots=True)
class Timings:
    """Seconds. `queue_s` is the wait for a batch, apart from `inference_s`."""

    total_s: float = 0.0
    detection_s: float = 0.0
    queue_s: float = 0.0
    inference_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Detection:
    """What was found in one photo of `width` x `height` pixels.

    Attributes:
        faces: from left to right by the left edge of the box.
        crops: `[len(faces), crop_px, crop_px, 3] uint8`, turned upright where there are 68 landmarks; or
            `[0, 0, 0, 3]` where none were asked for.
    """

    width: int
    height: int
    faces: tuple[Face, ...]
    crops: RGB
    timings: Timings = Timings()


@dataclass(frozen=True, slots=True)
class ModelVersion:
    """A model repository entry and its version folder's number."""

    name: str
    version: int


@dataclass(frozen=True, slots=True)
class Model:
    """A model that can be asked for. `card` is its card.json, read."""

    model: ModelVersion
    role: str
    default: bool
    labels: tuple[str, ...]
    card: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Classification:
    """What n crops show.

    `probabilities` are `[n, 7] float32` in the order of `EXPRESSIONS`, each row summing to 1; `evidence`, None where
    nobody asked, `[n, 7, rows, columns] float32`: what each cell adds to the log-odds of each against the mean of all.
    """

    probabilities: NDArray[np.float32]
    model: ModelVersion
    timings: Timings = Timings()
    evidence: NDArray[np.float32] | None = None


@dataclass(frozen=True, slots=True)
class Explanation:
    """What in a face speaks for the expression that was read.

    `heat_map` is a PNG of the face as the classifier saw it, coloured by `evidence` `[rows, columns]` (see
    `Classification`); `action_units` are those read that belong to the expression, first what says most for it.
    """

    heat_map: bytes
    evidence: NDArray[np.float32]
    action_units: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class ClassifiedFace:
    """A face and what it shows; `probabilities` in the order of `EXPRESSIONS`; explained where that was asked for."""

    face: Face
    expression: str
    probabilities: tuple[float, ...]
    explanation: Explanation | None = None


@dataclass(frozen=True, slots=True)
class Reading:
    """The gateway's answer about one photo; `model` is the one that answered, or would have had there been a face."""

    width: int
    height: int
    faces: tuple[ClassifiedFace, ...]
    model: ModelVersion
    timings: Timings = Timings()


@dataclass(frozen=True, slots=True)
class Target:
    """What a face shall show: one of `EXPRESSIONS`, or intensities of some action units; the other one is empty.

    Action units that are not named stay as the face has them.
    """

    expression: str = ""
    action_units: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Generation:
    """n faces as they look in each of k frames.

    Attributes:
        rendered: `[k, n, 128, 128, 3] uint8`.
        masks: `[k, n, 128, 128] uint8`; 255 where the face was repainted, 0 where it is as it was.
        wanted: `[k, n, 17] float32`: the action units that each was asked to show, in the order of `ACTION_UNITS`.
    """

    rendered: RGB
    masks: NDArray[np.uint8]
    wanted: NDArray[np.float32]
    model: ModelVersion
    timings: Timings = Timings()


@dataclass(frozen=True, slots=True)
class ChangedFace:
    """A face of a photo that was given another expression.

    Attributes:
        index: its place from left to right among all faces found, from 0.
        face: as it was.
        wanted: for each frame, the action units asked for.
        measured: the action units read from the result; None where nobody measured or no face was read there.
        before: probabilities of the seven expressions as it was; None where nobody measured.
        after: the same, of the result.
    """

    index: int
    face: Face
    wanted: tuple[Mapping[str, float], ...]
    measured: Mapping[str, float] | None = None
    before: tuple[float, ...] | None = None
    after: tuple[float, ...] | None = None


@dataclass(frozen=True, slots=True)
class Rendering:
    """A photo with other expressions, as files that say that they are synthetic.

    Attributes:
        files: one; or, of single pictures in steps, one for each frame.
        media_type: of each file.
        amounts: for each frame, how far it goes from the face as it was to what it shall show.
        faces: those that were changed, from left to right.
    """

    width: int
    height: int
    files: tuple[bytes, ...]
    media_type: str
    amounts: tuple[float, ...]
    faces: tuple[ChangedFace, ...]
    model: ModelVersion
    timings: Timings = Timings()


class Detector(Protocol):
    """Finds faces in a photo's bytes."""

    async def detect(self, image: bytes, *, whole_picture: bool = False, crop_px: int = 0) -> Detection:
        """Find every face, and cut each out square at `crop_px` (0: no crops).

        With `whole_picture` the picture is one face already: exactly one face, its box the whole picture, score 1.

        Raises:
            MienError: the bytes are not a picture that may be read (see `errors.Kind`).
        """


class Classifier(Protocol):
    """Reads the expressions of faces that were cut out."""

    async def classify(self, crops: RGB, *, model: str = "", explain: bool = False) -> Classification:
        """Probabilities of `[n, 112, 112, 3] uint8` faces, n ≥ 1; `model` empty = the default one.

        Raises:
            MienError: unknown model, a model that cannot `explain`, crops of another size, queue full, deadline
                exceeded, model unavailable.
        """

    async def models(self) -> tuple[Model, ...]:
        """The models that can be asked for."""


class Generator(Protocol):
    """Renders expressions onto faces that were cut out."""

    async def generate(
        self,
        crops: RGB,
        present: NDArray[np.float32],
        target: Target,
        *,
        intensity: float = 1.0,
        steps: int = 1,
        model: str = "",
    ) -> Generation:
        """Render n faces, n ≥ 1, in `steps` frames that go evenly from what they show to `intensity` of the target.

        Args:
            crops: `[n, 128, 128, 3] uint8`, each the `Face.square` of a face.
            present: `[n, 17] float32`: the action units that the faces show, in the order of `ACTION_UNITS`.
            intensity: how far the last frame goes: 0 leaves the faces as they are, 1 is the target.
            steps: frames, 1 to 32; the k-th goes k ÷ steps of the way.
            model: a name; empty = the default one.

        Raises:
            MienError: unknown expression or action unit, a number out of its range, unknown model, no generator
                installed, queue full, deadline exceeded, model unavailable.
        """

    async def models(self) -> tuple[Model, ...]:
        """The models that can be asked for; empty where none is installed."""

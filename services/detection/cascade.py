"""Faces by OpenCV's own frontal Haar cascades: nothing to download, one CPU core, no landmarks.

1. *Propose*: the `alt2` cascade searches the picture at a long side of 640 px and, for a face that nearly fills the
   picture, a small copy with its border repeated all around.
2. *Look closely*: every proposal is cut from the full picture at one size and searched again in fine steps by `alt2`
   and `default`, as it is and mirrored, and if in doubt turned a little. How many windows agree says how surely it is
   a face, at any size of face; their mean is its box.

The score is the chance that it is a face: a logistic curve over those counts and the size, fitted to FER+ training
faces put into pictures, to photographs of people and of statues, and to pictures without a face.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from services.detection.boxes import Framing, Pixels, Windows, containments, overlaps, resized_to
from services.domain import RGB, Box, Face, Square
from services.images import cut

MIN_SCORE = 0.3  # at this, about one false face in 20 pictures without any
FRAMING = Framing(scale=1.045, shift_y=0.008)

_LONG_PX, _STEP, _SMALLEST_PX = 640, 1.1, 22
_CLOSE_UP_PX, _CLOSE_UP_MARGIN, _CLOSE_UP_SMALLEST_PX = 160, 0.25, 56
_PROPOSALS = 96  # looked at, the surest first: bounds the time of a picture full of patterns
_PATCH_PX, _PATCH_SIDES, _PATCH_STEP = 112, 1.6, 1.07  # the proposed face is 70 px wide in its patch
_FEWEST = 3  # windows of `alt2` without which the rest of the look is saved
_TILT_DEG, _DOUBTFUL = 12.0, (0.05, 0.3)  # scores at which a head may be tilted: looked at again, turned both ways
_SAME, _NEAR = 0.5, 0.25  # overlap of windows that show one face; and of those that surely do not show another
_DOUBLE = 0.5  # share of a smaller face inside a surer one that makes it the same

_FOLDER = Path(cv2.__file__).parent / "data"
_BIAS, _ALT2, _DEFAULT, _SMALL, _NO_LONGER_SMALL_PX = -6.67, 2.0, 0.62, 4.2, 64


@dataclass(frozen=True, slots=True)
class Look:
    """What the close look saw.

    Attributes:
        box: the mean of the windows of `alt2`, `[4]` in pixels of the picture.
        alt2: how many windows of that cascade agreed.
        default: and of the other one.
        searched_px: the box's side in the picture in which it was proposed: small things look like faces more often.
    """

    box: Windows
    alt2: int
    default: int
    searched_px: float

    @property
    def score(self) -> float:
        """The chance that this is a face, in [0, 1]."""
        counts = _ALT2 * math.log1p(self.alt2) + _DEFAULT * math.log1p(self.default)
        small = _SMALL * math.log(min(self.searched_px / _NO_LONGER_SMALL_PX, 1.0))
        return 1 / (1 + math.exp(-(_BIAS + counts + small)))


class CascadeFinder:
    """Finds frontal faces from about 3.5 % of the picture's long side upwards; for one thread."""

    def __init__(self, min_score: float = MIN_SCORE) -> None:
        self._min_score = min_score
        self._alt2 = _cascade("alt2")
        self._default = _cascade("default")

    def find(self, image: RGB) -> list[Face]:
        """Every face with a score of at least `min_score`, the surest first; none twice."""
        faces: list[Face] = []
        taken = np.zeros((0, 4))
        for look in sorted(self.looks(image), key=lambda look: -look.score):
            if look.score < self._min_score:
                break
            if len(taken) and containments(look.box, taken).max() > _DOUBLE:
                continue
            taken = np.vstack([taken, look.box])
            faces.append(Face(Box(*(float(value) for value in look.box)), look.score))
        return faces

    def frame(self, face: Face) -> Square:
        """The square that FER+ would show of this face."""
        return FRAMING.square(face.box)

    def looks(self, image: RGB) -> list[Look]:
        """The close look at each proposal, in any order; the same face may come twice."""
        grey = np.asarray(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), np.uint8)
        factor = min(_LONG_PX / max(grey.shape), 1.0)  # a face of fewer own pixels than the search wants shows nothing
        looks = (self._look(image, box, factor) for box in self._propose(grey, factor))
        return [look for look in looks if look is not None]

    def _propose(self, grey: Pixels, factor: float) -> Windows:
        """`[n, 4]`, n ≤ `_PROPOSALS`, in pixels of the picture."""
        small, factor = resized_to(grey, round(max(grey.shape) * factor))
        near = _search(self._alt2, small, _STEP, _SMALLEST_PX, 0) / factor
        tiny, factor = resized_to(grey, _CLOSE_UP_PX)
        margin = round(_CLOSE_UP_PX * _CLOSE_UP_MARGIN)
        tiny = np.pad(tiny, margin, mode="edge")
        close = _search(self._alt2, tiny, _STEP, _CLOSE_UP_SMALLEST_PX, 0)
        close[:, :2] -= margin
        return _means(np.vstack([near, close / factor]))[:_PROPOSALS]

    def _look(self, image: RGB, box: Windows, factor: float) -> Look | None:
        look = self._look_turned(image, box, factor, 0.0)
        if look is None or not _DOUBTFUL[0] < look.score < _DOUBTFUL[1]:
            return look
        turned = [self._look_turned(image, box, factor, roll_deg) for roll_deg in (-_TILT_DEG, _TILT_DEG)]
        return max((each for each in (look, *turned) if each is not None), key=lambda each: each.score)

    def _look_turned(self, image: RGB, box: Windows, factor: float, roll_deg: float) -> Look | None:
        x, y, side = float(box[0] + box[2] / 2), float(box[1] + box[3] / 2), float(box[2])
        square = Square(x, y, side * _PATCH_SIDES, roll_deg)
        patch = cv2.cvtColor(cut(image, square, _PATCH_PX), cv2.COLOR_RGB2GRAY)
        grey = np.asarray(patch, np.uint8)
        alt2 = self._agreeing(self._alt2, grey)
        if len(alt2) < _FEWEST:
            return None
        default = self._agreeing(self._default, grey)
        scale = side * _PATCH_SIDES / _PATCH_PX
        mean = alt2.mean(0) * scale
        mean[:2] += (x - side * _PATCH_SIDES / 2, y - side * _PATCH_SIDES / 2)
        return Look(mean, len(alt2), len(default), float(mean[2]) * factor)

    def _agreeing(self, cascade: cv2.CascadeClassifier, patch: Pixels) -> Windows:
        """Windows `[n, 4]` of the patch and of its mirror image that show the face in its middle."""
        face_px = _PATCH_PX / _PATCH_SIDES
        smallest, largest = round(face_px * 0.75), round(face_px * 1.3)
        windows = _search(cascade, patch, _PATCH_STEP, smallest, largest)
        mirrored = _search(cascade, np.ascontiguousarray(patch[:, ::-1]), _PATCH_STEP, smallest, largest)
        mirrored[:, 0] = _PATCH_PX - mirrored[:, 0] - mirrored[:, 2]
        both = np.vstack([windows, mirrored])
        middle = np.array([_PATCH_PX / 2 - face_px / 2, _PATCH_PX / 2 - face_px / 2, face_px, face_px])
        return both[overlaps(middle, both) > _SAME]


def _cascade(name: str) -> cv2.CascadeClassifier:
    path = _FOLDER / f"haarcascade_frontalface_{name}.xml"
    if not path.is_file():  # OpenCV itself would only fail at the first picture
        raise FileNotFoundError(f"no {path}: install opencv-python-headless 4.x, which brings it")
    return cv2.CascadeClassifier(str(path))


def _search(cascade: cv2.CascadeClassifier, grey: Pixels, step: float, smallest_px: int, largest_px: int) -> Windows:
    """Every window that passes the cascade, ungrouped: `[n, 4]`. `largest_px` 0 = any."""
    found = cascade.detectMultiScale(
        grey, step, minNeighbors=0, minSize=(smallest_px, smallest_px), maxSize=(largest_px, largest_px)
    )
    return np.asarray(found, np.float64).reshape(-1, 4)


def _means(windows: Windows) -> Windows:
    """The mean of each group of windows that show one thing, `[n, 4]`; the largest group first."""
    means: list[Windows] = []
    if len(windows):
        crowded = np.array([(overlaps(window, windows) > _SAME).sum() for window in windows])
        windows = windows[np.argsort(-crowded, kind="stable")]
    while len(windows):
        overlap = overlaps(windows[0], windows)
        means.append(windows[overlap > _SAME].mean(0))
        windows = windows[overlap <= _NEAR]
    return np.array(means).reshape(-1, 4)

"""Where an expression classifier's square lies about the landmarks: the mean shape in that square, found from data.

The classifier learnt from FER+'s frames. `frame_shape` asks the trained network where the landmarks lie in them; the
served graph then lays that shape on any face and so finds the square that frames it as FER+ would have.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray

from training.clay.corpus import Corpus
from training.shape.crops import nominal, usable
from training.shape.networks import Landmarker, ServedLandmarker
from training.shape.squares import Square, cut, inner, to_picture, to_square

Function = Callable[[NDArray[np.uint8]], dict[str, NDArray[np.float32]]]

OUTPUTS = ("landmarks", "action_units", "quality", "frame")
# FER+'s frame about a forehead-to-chin box, as measured for the services (docs/framing.md), in units of the
# landmarker's square: centre x, centre y, side. Used where there is no FER+, and as the first guess where there is.
DEFAULT_FRAME = (0.5, 0.489, 0.74)
# How much each landmark tells of the square: little where expressions move it. Jaw and brows, nose and eyes, mouth.
WEIGHT = np.repeat(np.array([0.5, 1.0, 0.25], np.float32), (27, 21, 20))
_FRONTAL_DEG = 30.0
_BATCH = 32


def served(network: Landmarker, shape: NDArray[np.float32]) -> ServedLandmarker:
    """The network as it is exported; `shape [68, 2]` in units of the square that `frame` is to tell."""
    return ServedLandmarker(network, torch.from_numpy(shape), torch.from_numpy(WEIGHT)).eval()


def of_network(model: ServedLandmarker) -> Function:
    """A served network as a function of crops `[n, 112, 112, 3] uint8`: its answers by name, a batch at a time."""

    @torch.inference_mode()
    def answers(faces: NDArray[np.uint8]) -> dict[str, NDArray[np.float32]]:
        parts = [model(torch.from_numpy(faces[at : at + _BATCH])) for at in range(0, len(faces), _BATCH)]
        columns = zip(OUTPUTS, zip(*parts, strict=True), strict=True)
        return {name: torch.cat(column).float().numpy() for name, column in columns}

    return answers


def mean_shape(corpus: Corpus) -> NDArray[np.float32]:
    """Median landmarks `[68, 2]` of the corpus' heads within ±30° yaw, in units of the landmarker's square.

    Raises:
        ValueError: the corpus has no such head.
    """
    rows = [row for row in usable(corpus) if abs(corpus.pose[row, 0]) <= _FRONTAL_DEG]
    if not rows:
        raise ValueError(f"{corpus.folder} has no head within {_FRONTAL_DEG:.0f}° of the front: render more")
    return np.median([to_square(corpus.landmarks[row], nominal(corpus, row)) for row in rows], 0).astype(np.float32)


def default_frame_shape(mean: NDArray[np.float32]) -> NDArray[np.float32]:
    """The mean shape in units of `DEFAULT_FRAME`."""
    x, y, side = DEFAULT_FRAME
    return ((mean - (x, y)) / side + 0.5).astype(np.float32)


def frame_shape(
    network: Landmarker, faces: NDArray[np.uint8], mean: NDArray[np.float32], side_px: int = 112
) -> NDArray[np.float32]:
    """Median landmarks `[68, 2]` in units of the frame, over the faces that the network is surest of.

    Args:
        faces: luma `[n, side, side] uint8`, each framed as the classifier wants it.
        mean: `mean_shape` of the corpus that the network was trained on.
    """
    # Laying the mean shape of the landmarker's own square tells where that square should have been: one correction.
    answers = of_network(served(network, mean))
    px = faces.shape[1]
    x, y, side = DEFAULT_FRAME
    guess = Square(px / 2 + (0.5 - x) / side * px, px / 2 + (0.5 - y) / side * px, px / side)
    first = answers(_cut_all(faces, [guess] * len(faces), side_px))
    squares = [inner(guess, frame) for frame in first["frame"]]
    second = answers(_cut_all(faces, squares, side_px))
    sure = second["quality"][:, 0] >= np.median(second["quality"])
    found = [to_picture(points, square) / px for points, square in zip(second["landmarks"], squares, strict=True)]
    return np.median(np.stack(found)[sure], 0).astype(np.float32)


def _cut_all(faces: NDArray[np.uint8], squares: list[Square], side_px: int) -> NDArray[np.uint8]:
    crops = [cut(face, square, side_px) for face, square in zip(faces, squares, strict=True)]
    return np.repeat(np.stack(crops)[..., None], 3, 3)

"""What reads a generator's faces when it is scored: an exported landmarker, and an expression classifier that no
generator was trained against.

Faces are the generator's squares, RGB `[n, 128, 128, 3] uint8`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from training.ganimation.networks import FACE_PX
from training.shape import align
from training.shape.frame import DEFAULT_FRAME, Function
from training.shape.squares import Square, cut, inner

WHOLE = Square(FACE_PX / 2, FACE_PX / 2, FACE_PX)
_BATCH = 32

Faces = NDArray[np.uint8]
Floats = NDArray[np.float32]
# faces in the classifier's frame `[n, 112, 112, 3]` → probabilities `[n, 7]`, features `[n, F]`
Classifier = Callable[[Faces], tuple[Floats, Floats]]


@dataclass(frozen=True, slots=True)
class Reading:
    """Units `[n, 17]` in [0, 1], and where the classifier's square lies in the face's, `[n, 4]` (see `frame.py`)."""

    units: Floats
    frame: Floats


def read(faces: Faces, model: Function) -> Reading:
    """Ask the landmarker; a face that it does not trust has the default frame."""
    units, frames = [], []
    for start in range(0, len(faces), _BATCH):
        answer = model(np.stack([cut(face, WHOLE, align.FACE_PX) for face in faces[start : start + _BATCH]]))
        sure = answer["quality"] >= align.MIN_QUALITY
        units.append(answer["action_units"])
        frames.append(np.where(sure, answer["frame"], np.array([*DEFAULT_FRAME, 0.0], np.float32)))
    return Reading(np.concatenate(units), np.concatenate(frames))


def framed(faces: Faces, frame: Floats) -> Faces:
    """The squares that a classifier wants, `[n, 112, 112, 3]`."""
    return np.stack([cut(face, inner(WHOLE, f), align.FACE_PX) for face, f in zip(faces, frame, strict=True)])


def classifier(path: Path) -> Classifier:
    """An exported expression classifier that also gives its features: the mean of its last maps.

    Raises:
        FileNotFoundError: no such file.
    """
    import onnx
    import onnxruntime

    if not path.exists():
        raise FileNotFoundError(f"no expression classifier at {path}: name one in [generation], classifier")
    model = onnx.load(path)
    last = [node for node in model.graph.node if node.op_type in {"Conv", "Relu"}][-1].output[0]
    model.graph.output.append(onnx.helper.make_empty_tensor_value_info(last))
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.log_severity_level = 1, 3
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name

    def answers(crops: Faces) -> tuple[Floats, Floats]:
        parts = []
        for start in range(0, len(crops), _BATCH):
            batch = crops[start : start + _BATCH]
            probabilities, maps = session.run(["probabilities", last], {name: batch})
            # A classifier that looks at the mirror image too has those rows behind the others.
            parts.append((probabilities, maps[: len(batch)].astype(np.float32).mean((2, 3))))
        probabilities, features = zip(*parts, strict=True)
        return np.concatenate(probabilities), np.concatenate(features)

    return answers

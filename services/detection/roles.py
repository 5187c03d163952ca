"""The models that detection asks for, and what their entries of the model repository must offer."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from services.domain import ACTION_UNITS
from services.inference.backend import Backend, Tensor
from services.inference.repository import RepositoryError

LANDMARKS = 68  # iBUG's points, in their order

_UINT8, _FLOAT32 = np.dtype(np.uint8), np.dtype(np.float32)


@dataclass(frozen=True, slots=True)
class Role:
    """A repository entry by this name takes `input` and gives at least `outputs`."""

    name: str
    input: Tensor
    outputs: tuple[Tensor, ...]


FACE_DETECTOR = Role(
    "face_detector",
    Tensor("images", _UINT8, (320, 320, 3)),
    (
        Tensor("boxes", _FLOAT32, (200, 4)),
        Tensor("scores", _FLOAT32, (200,)),
        Tensor("points", _FLOAT32, (200, 5, 2)),
    ),
)
FACE_LANDMARKER = Role(
    "face_landmarker",
    Tensor("faces", _UINT8, (112, 112, 3)),
    (
        Tensor("landmarks", _FLOAT32, (LANDMARKS, 2)),
        Tensor("action_units", _FLOAT32, (len(ACTION_UNITS),)),
        Tensor("quality", _FLOAT32, (1,)),
        Tensor("frame", _FLOAT32, (4,)),
    ),
)


def check(backend: Backend, role: Role) -> None:
    """Refuse an entry that cannot play its role.

    Raises:
        RepositoryError: the sentence says which tensor it must have.
    """
    spec = backend.specs().get(role.name)
    if spec is None:
        raise RepositoryError(f"The model repository has no {role.name} with a version folder.")
    if spec.inputs != (role.input,):
        raise RepositoryError(f"{role.name}/config.pbtxt must have one input, {role.input}.")
    for output in role.outputs:
        if output not in spec.outputs:
            raise RepositoryError(f"{role.name}/config.pbtxt must have the output {output}.")

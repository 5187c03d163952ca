"""The models that detection asks for, and what their entries of the model repository must offer."""

from __future__ import annotations

import numpy as np

from services.domain import ACTION_UNITS
from services.inference.backend import Tensor
from services.inference.roles import Role

LANDMARKS = 68  # iBUG's points, in their order

_UINT8, _FLOAT32 = np.dtype(np.uint8), np.dtype(np.float32)

FACE_DETECTOR = Role(
    "face_detector",
    (Tensor("images", _UINT8, (320, 320, 3)),),
    (
        Tensor("boxes", _FLOAT32, (200, 4)),
        Tensor("scores", _FLOAT32, (200,)),
        Tensor("points", _FLOAT32, (200, 5, 2)),
    ),
)
FACE_LANDMARKER = Role(
    "face_landmarker",
    (Tensor("faces", _UINT8, (112, 112, 3)),),
    (
        Tensor("landmarks", _FLOAT32, (LANDMARKS, 2)),
        Tensor("action_units", _FLOAT32, (len(ACTION_UNITS),)),
        Tensor("quality", _FLOAT32, (1,)),
        Tensor("frame", _FLOAT32, (4,)),
    ),
)

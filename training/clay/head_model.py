"""The head model under rendered heads: a neutral head, and the ways in which it may differ. Two can be read.

ICT-FaceKit (`ict.py`) has a scanned population's identities; MakeHuman's (`makehuman.py`) and its expressions were
sculpted by hand. Both in centimetres: y points up, z out of the face, x to the person's left, the origin within the
head, 3.5 below the eyes.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

F32 = NDArray[np.float32]
PARTS = ("face", "back", "mouth", "teeth", "eye", "iris")
FACE, BACK, MOUTH, TEETH, EYE, IRIS = range(len(PARTS))


@dataclass(frozen=True, slots=True)
class HeadModel:
    """A neutral head and the ways in which it may differ.

    Attributes:
        kind: `Corpus.kind` of its heads.
        neutral: `[v, 3]`. identity: `[i, v, 3]`, one unit of standard deviation each. expressions: name → `[v, 3]`,
            ARKit's names, with `_L` and `_R` where a side moves alone.
        triangles: `[t, 3]`. part: `[v]`, index into `PARTS`; lashes, tear fluid and blend surfaces are left out.
        landmarks: `[68]` vertex numbers, iBUG's order.
    """

    kind: str
    neutral: F32
    identity: F32
    expressions: dict[str, F32]
    triangles: NDArray[np.int32]
    part: NDArray[np.int8]
    landmarks: NDArray[np.int64]


@lru_cache(maxsize=1)
def read(path: Path) -> HeadModel:
    """Read the head model that lies there, by what it is.

    Raises:
        FileNotFoundError: there is none; says where to get it.
        ValueError: it is neither of the two.
    """
    from training.clay import ict, makehuman  # they make what is defined here

    path = path.expanduser()
    if not path.exists():
        raise FileNotFoundError(f"no head model at {path}: {ict.HELP}; or, for MakeHuman's head, {makehuman.HELP}")
    if makehuman.is_there(path):
        return makehuman.read(path)
    return ict.read(path)

"""Sheets of rendered faces: a row for each face, from the source by five steps to what was asked for, then the mask.

Every step is made from the source, never from the step before it.
"""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from training.ganimation.pieces import Pieces, middles, partners
from training.ganimation.readers import Faces, Floats
from training.ganimation.rendering import Render
from training.ganimation.showing import SHOWN, neutral, wanted

STEPS = (0.2, 0.4, 0.6, 0.8, 1.0)
ROWS = 12


def pairs(path: Path, render: Render, statues: Pieces) -> Path:
    """Statues spread over the corpus: source, steps, the true picture, mask."""
    mates = partners(statues.scene, np.random.default_rng(0))
    chosen = np.unique(np.linspace(0, len(statues) - 1, ROWS).astype(int))
    faces = middles(statues.faces)
    target = statues.units[mates[chosen]]
    return _save(path, rows(render, faces[chosen], statues.units[chosen], target, faces[mates[chosen]]))


def expressions(path: Path, render: Render, pieces: Pieces) -> Path:
    """Neutral faces, each with one of the six expressions in turn: source, steps, mask."""
    calm = neutral(pieces)
    chosen = np.unique(np.linspace(0, len(calm) - 1, ROWS).astype(int))
    units = calm.units[chosen]
    target = np.concatenate([wanted(SHOWN[at % len(SHOWN)], row[None]) for at, row in enumerate(units)])
    return _save(path, rows(render, middles(calm.faces[chosen]), units, target))


def rows(render: Render, faces: Faces, source: Floats, target: Floats, true: Faces | None = None) -> NDArray[np.uint8]:
    """`[n * 128, columns * 128, 3]`; white in the mask is repainted."""
    columns, mask = [faces], np.zeros(faces.shape[:3], np.float32)
    for step in STEPS:
        rendered, mask = render(faces, source, (source + step * (target - source)).astype(np.float32))
        columns.append(rendered)
    if true is not None:
        columns.append(true)
    columns.append(np.repeat((mask[..., None] * 255).round().astype(np.uint8), 3, 3))
    return np.concatenate([np.concatenate(list(row), 1) for row in zip(*columns, strict=True)])


def _save(path: Path, sheet: NDArray[np.uint8]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), sheet[..., ::-1])
    return path

"""What in a face speaks for the expression that was read: a heat map, and action units.

The evidence comes from the classifier itself and is exact (see `training.arm.networks.Evidence`): it is coarse, a few
cells across the face, and each cell has seen its surroundings too. The action units are another model's reading; the
classifier does not know them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import cv2
import numpy as np
from numpy.typing import NDArray

from services.domain import EXPRESSIONS, RGB, ClassifiedFace, Explanation
from services.emfacs import PROTOTYPES

HEAT_MAP_PX = 224
FOR, AGAINST = (255, 120, 0), (0, 110, 255)
_STRONGEST = 0.6  # how much of the strongest cell's colour lies over the face
_SHOWN = 0.1  # an action unit weaker than this is not shown at all


def explained(faces: Sequence[ClassifiedFace], crops: RGB, evidence: NDArray[np.float32]) -> tuple[ClassifiedFace, ...]:
    """The faces with their explanations.

    Args:
        crops: `[n, side, side, 3] uint8`, as the classifier saw them.
        evidence: `[n, 7, rows, columns]`, of each expression.
    """
    return tuple(
        replace(face, explanation=_explanation(face, crop, cells[EXPRESSIONS.index(face.expression)]))
        for face, crop, cells in zip(faces, crops, evidence, strict=True)
    )


def heat_map(crop: RGB, cells: NDArray[np.float32]) -> RGB:
    """The face `[side, side, 3]` in grey at `HEAT_MAP_PX`, coloured by `cells` `[rows, columns]`: `FOR` where they are
    above 0, `AGAINST` below, the colour growing with their share of the strongest."""
    size = (HEAT_MAP_PX, HEAT_MAP_PX)
    grey = cv2.cvtColor(cv2.resize(crop, size, interpolation=cv2.INTER_LINEAR), cv2.COLOR_RGB2GRAY)
    smooth = cv2.resize(cells, size, interpolation=cv2.INTER_LINEAR)
    share = smooth / max(float(np.abs(cells).max()), 1e-6)
    colour = np.where(share[..., None] > 0, FOR, AGAINST)
    over = (_STRONGEST * np.abs(share))[..., None]
    mixed: RGB = (grey[..., None] * (1 - over) + colour * over).round().astype(np.uint8)
    return mixed


def speaking_for(expression: str, action_units: Mapping[str, float]) -> dict[str, float]:
    """Of the units that a face shows, those that the expression's prototype has, first what says most for it: what it
    shows of the unit times what the prototype has of it beyond the mean of the others."""
    others = [units for name, units in PROTOTYPES.items() if name != expression]

    def says(name: str) -> float:
        usual = sum(units.get(name, 0.0) for units in others) / len(others)
        return action_units[name] * (PROTOTYPES[expression][name] - usual)

    names = [name for name in PROTOTYPES[expression] if action_units.get(name, 0.0) >= _SHOWN]
    return {name: action_units[name] for name in sorted(names, key=says, reverse=True)}


def _explanation(face: ClassifiedFace, crop: RGB, cells: NDArray[np.float32]) -> Explanation:
    _, png = cv2.imencode(".png", np.ascontiguousarray(heat_map(crop, cells)[..., ::-1]))
    return Explanation(png.tobytes(), cells, speaking_for(face.expression, face.face.action_units))

"""Heads of scanned statues, as extra neutral faces whose units and landmarks nobody measured.

Reads `.npz` files with `V` [v, 3] metres (y up) and `T` [t, 3], as cut down from the museum scans of threedscans.com
(published without copyright restrictions). Where the face lies in each file was read off its renderings.
"""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
from numpy.random import Generator

from training.clay.head import Head, reshaping

# file, the face's direction (degrees about y from +z), its centre x and y, half its width and half its height (metres)
FACES = (
    ("Plato.npz", 0.0, 0.008, 0.49, 0.095, 0.14),
    ("EpicMetro.npz", 0.0, 0.0, 0.445, 0.065, 0.085),
    ("EpicMetro.npz", 180.0, 0.0, 0.445, 0.065, 0.085),
)
_HALF_HEIGHT_CM = 9.0
_HEAD = 2.4  # what is kept of a bust: so many half heights around the face's centre


def there(folder: str) -> bool:
    """Whether a folder of scans is named and holds all of them."""
    return bool(folder) and all((Path(folder).expanduser() / face[0]).exists() for face in FACES)


def carve(folder: str, random: Generator) -> Head:
    """One of the scanned heads, a little reshaped.

    Raises:
        FileNotFoundError: a file is missing.
    """
    name, facing_deg, x, y, half_width, half_height = FACES[random.integers(len(FACES))]
    path = Path(folder).expanduser() / name
    if not path.exists():
        raise FileNotFoundError(f"no scan {path}: leave `scans` empty, or put the scans of threedscans.com there")
    with np.load(path) as scan:
        vertices, triangles = scan["V"].astype(np.float32), scan["T"].astype(np.int32)
    angle = math.radians(-facing_deg)
    turn = np.array([[math.cos(angle), 0, math.sin(angle)], [0, 1, 0], [-math.sin(angle), 0, math.cos(angle)]])
    scale = _HALF_HEIGHT_CM / half_height
    rest = ((vertices @ turn.T.astype(np.float32)) - np.float32([x, y, 0])) * np.float32(scale)
    around = (np.abs(rest[:, 1] + 2) < _HEAD * _HALF_HEIGHT_CM)[triangles].all(1)
    triangles = triangles[around]
    rest = reshaping(rest, random).apply(rest)
    in_face = (np.abs(rest[:, 0]) < half_width * scale) & (np.abs(rest[:, 1]) < _HALF_HEIGHT_CM)
    used = np.zeros(len(rest), bool)
    used[triangles] = True
    front = rest[in_face & used, 2].max() - 9.0
    outline = np.flatnonzero(in_face & used & (rest[:, 2] > front))
    # The camera aims at landmarks; the most central points of the face stand in for them.
    central = outline[np.argsort((rest[outline, :2] ** 2).sum(1))[:68]]
    return Head(
        rest, triangles, np.zeros(len(rest), np.float32), np.ones((len(rest), 3), np.float32),
        len(rest), {}, central.astype(np.int64), outline, "bust", "scan", measured=False,
    )  # fmt: skip

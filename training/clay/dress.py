"""What a carved head wears: topknot, cap, crest, collar and shoulders, pieces of their own beside the head's mesh."""

from __future__ import annotations

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from training.clay.head_model import BACK, FACE, HeadModel

F32 = NDArray[np.float32]
POSTURES = ("kneeling", "general", "standing", "cavalry", "civil", "bust")  # the paper's five, and no dress at all


def pieces(
    rest: F32, model: HeadModel, marks: F32, posture: str, random: Generator
) -> list[tuple[F32, NDArray[np.int32], float]]:
    """Topknot, cap, shoulders: (vertices `[v, 3]` cm, triangles `[t, 3]`, tint) of each that this head wears.

    Args:
        rest: the head's vertices. marks: its 68 landmarks, both in centimetres.
    """
    worn: list[tuple[F32, NDArray[np.int32], float]] = []
    skull = rest[np.isin(model.part, (FACE, BACK)) & (rest[:, 1] > marks[27, 1])]
    top, back = skull[:, 1].max(), skull[:, 2].min()
    middle = np.float32([0, (top + marks[27, 1]) / 2 + 0.5, (skull[:, 2].max() + back) / 2])
    half = np.float32([np.ptp(skull[:, 0]) / 2 * 0.86, top - middle[1], np.ptp(skull[:, 2]) / 2])
    shade = float(random.uniform(0.6, 1.05))
    knot = {"kneeling": 0.9, "standing": 0.6, "general": 0.1, "bust": 0.08}.get(posture, 0.0)
    cap = {"general": 0.9, "cavalry": 0.95, "civil": 0.9, "bust": 0.1}.get(posture, 0.0)
    if random.random() < knot:
        side = float(random.choice((-1, 0, 1)) * random.uniform(1.5, 3.5))
        size = np.float32([random.uniform(1.4, 2.6), random.uniform(1.6, 3.6), random.uniform(1.4, 2.6)])
        at = np.float32([side, top + size[1] * 0.5, middle[2] + random.uniform(-3, 1)])
        worn.append((*_ellipsoid(at, size, random), shade))
    elif random.random() < cap:
        size = half * np.float32(random.uniform(1.06, 1.16)) * np.float32([1, random.uniform(1.0, 1.35), 1])
        vertices, triangles = _ellipsoid(middle + np.float32([0, random.uniform(0.2, 1.6), -0.6]), size, random)
        floor = marks[17:27, 1].max() + random.uniform(1.4, 3.2)
        tilt = random.uniform(0.05, 0.35)  # lower behind
        cut = np.maximum(vertices[:, 1], floor + tilt * (vertices[:, 2] - marks[27, 2]))
        vertices[:, 1] = np.minimum(cut, np.maximum(vertices[:, 1], cut))
        worn.append((vertices, triangles, shade))
        if posture == "general" or random.random() < 0.2:  # a crest
            at = np.float32([0, top + 1.5, middle[2] - 1])
            worn.append((*_ellipsoid(at, np.float32([random.uniform(0.6, 3), 2.2, 2.5]), random), shade))
    if random.random() < (0.93 if posture != "bust" else 0.55):
        worn.append((*_shoulders(rest, posture, random), float(random.uniform(0.7, 1.1))))
    return worn


def _ellipsoid(centre: F32, radii: F32, random: Generator, rows: int = 20) -> tuple[F32, NDArray[np.int32]]:
    """A closed, slightly lumpy ellipsoid."""
    u, v = np.meshgrid(np.linspace(0, 2 * np.pi, 2 * rows + 1)[:-1], np.linspace(0, np.pi, rows + 1))
    unit = np.stack([np.sin(v) * np.cos(u), np.cos(v), np.sin(v) * np.sin(u)], -1).reshape(-1, 3)
    waves = random.normal(0, 3, (3, 3))
    lumps = 1 + random.uniform(0, 0.05) * np.sin(unit @ waves).sum(1)
    return (centre + unit * lumps[:, None] * radii).astype(np.float32), _grid(rows + 1, 2 * rows)


def _shoulders(rest: F32, posture: str, random: Generator) -> tuple[F32, NDArray[np.int32]]:
    """Collar and shoulders, lofted from the neck: a robe's folds or an armour's plates."""
    rows, columns = 26, 64
    low = rest[:, 1].min()
    s, angle = np.linspace(0, 1, rows)[:, None], np.linspace(0, 2 * np.pi, columns + 1)[None, :-1]
    collar = random.uniform(-13.5, -10.5)
    width = 7.2 + (random.uniform(15, 23) - 7.2) * s ** random.uniform(1.2, 2.2)
    depth = 7.0 + (random.uniform(9, 13) - 7.0) * s
    y = collar + (low - 9 - collar) * s ** random.uniform(0.7, 1.1)
    folds = random.uniform(0.1, 0.7) * np.sin(angle * random.integers(5, 16) + 4 * s) * (0.3 + s)
    if posture in ("kneeling", "general", "cavalry") and random.random() < 0.85:
        plate = random.uniform(0.25, 0.7)
        folds = plate * ((s * random.integers(5, 10)) % 1) + 0.12 * np.sign(np.sin(angle * random.integers(14, 30)))
    x = (width + folds) * np.cos(angle)
    z = (depth + folds) * np.sin(angle) - 1.0 + 2.5 * s
    vertices = np.stack([x, np.broadcast_to(y, x.shape) + 0.5 * folds, z], -1).reshape(-1, 3)
    return vertices.astype(np.float32), _grid(rows, columns)


def _grid(rows: int, columns: int) -> NDArray[np.int32]:
    """Triangles of rows x columns vertices that close around."""
    at = np.arange(rows * columns).reshape(rows, columns)
    a, b = at[:-1], np.roll(at[:-1], -1, 1)
    c, d = at[1:], np.roll(at[1:], -1, 1)
    return np.concatenate([np.stack([a, b, c], -1).reshape(-1, 3), np.stack([b, d, c], -1).reshape(-1, 3)]).astype(
        np.int32
    )

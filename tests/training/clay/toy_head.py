"""A head model of our own making, in ICT-FaceKit's packed form: an egg with a nose, 68 landmarks and a few shapes."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from training.clay.units import GAZES, NUISANCES, SHAPES

ROWS, COLUMNS = 46, 60


def write(path: Path) -> Path:
    """Write the model to `path` (.npz) and return it."""
    v, u = np.meshgrid(
        np.linspace(0.02, np.pi - 0.02, ROWS), np.linspace(-np.pi, np.pi, COLUMNS + 1)[:-1], indexing="ij"
    )
    unit = np.stack([np.sin(v) * np.sin(u), np.cos(v), np.sin(v) * np.cos(u)], -1).reshape(-1, 3)
    head = unit * (8.0, 12.0, 9.5) + (0, 1, 1)
    head[:, 2] += 2.2 * np.exp(-((head[:, :2] - (0, 0.4)) ** 2).sum(1) / 1.5) * (head[:, 2] > 0)
    at = np.arange(ROWS * COLUMNS).reshape(ROWS, COLUMNS)
    a, b, c, d = at[:-1], np.roll(at[:-1], -1, 1), at[1:], np.roll(at[1:], -1, 1)
    triangles = np.concatenate([np.stack([a, c, b], -1).reshape(-1, 3), np.stack([b, c, d], -1).reshape(-1, 3)])
    front = head[triangles].mean(1)[:, 2] > 1
    points = _points()
    on_front = np.flatnonzero(head[:, 2] > 1)
    landmarks = [on_front[((head[on_front, :2] - point) ** 2).sum(1).argmin()] for point in points]
    random = np.random.default_rng(0)
    identity = np.stack(
        [np.sin(head @ random.normal(0, 0.2, (3, 3)) + random.uniform(0, 6, 3)) * 0.3 for _ in range(5)]
    )
    names, offsets = [], []
    stems = [shape for shapes in SHAPES.values() for shape, _ in shapes] + [*NUISANCES, *GAZES]
    for number, stem in enumerate(dict.fromkeys(stems)):
        centre = np.array([2.5 * np.sin(number), 4 * np.cos(2.1 * number) - 1])
        push = np.exp(-((head[:, :2] - centre) ** 2).sum(1) / 4)[:, None] * random.normal(0, 0.5, 3) * (head[:, 2:] > 1)
        names.append(stem)
        offsets.append(push)
    np.savez(
        path,
        neutral=head.astype(np.float32),
        expr=np.array(offsets, np.float16),
        expr_names=np.array(names),
        identity=identity.astype(np.float16),
        tri=triangles.astype(np.int32),
        tri_material=np.where(front, 0, 1).astype(np.uint8),
        material_names=np.array(["M_Face", "M_BackHead"]),
        landmarks68=np.array(landmarks, np.int32),
    )
    return path


def _points() -> np.ndarray:  # type: ignore[type-arg]
    """Where the 68 landmarks lie on the face, x and y in centimetres."""
    jaw = [(-7 * np.cos(t), 2 - 9 * np.sin(t)) for t in np.linspace(0, np.pi, 17)]
    brows = [(x, 5.0) for x in (-5, -4, -3, -2, -1, 1, 2, 3, 4, 5)]
    nose = [(0, y) for y in (3, 2, 1, 0.4)] + [(x, -0.6) for x in (-1, -0.5, 0, 0.5, 1)]
    eye = [(-1.2, 0), (-0.5, 0.4), (0.5, 0.4), (1.2, 0), (0.5, -0.4), (-0.5, -0.4)]
    eyes = [(side * 3 + x, 3.2 + y) for side in (-1, 1) for x, y in eye]
    outer = [(-2.4 * np.cos(t), -3.5 + 0.9 * np.sin(t)) for t in np.linspace(0, 2 * np.pi, 13)[:-1]]
    inner = [(-1.6 * np.cos(t), -3.5 + 0.4 * np.sin(t)) for t in np.linspace(0, 2 * np.pi, 9)[:-1]]
    return np.array(jaw + brows + nose + eyes + outer + inner)

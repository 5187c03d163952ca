"""One carved head: an identity of the head model, reshaped, with hair, cap, beard and shoulders, ready to make faces.

A statue's head differs from a scanned person's: wider in its variation, simplified or exaggerated by the chisel, its
hair and beard are relief, its eyes are blank, drilled or painted. Everything is drawn from one random generator, so
an identity is its seed. Rest positions are centimetres (y up, z out of the face, x to the person's left).
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from training.clay import dress, raster
from training.clay.dress import POSTURES
from training.clay.head_model import BACK, EYE, FACE, IRIS, MOUTH, TEETH, HeadModel

F32 = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Head:
    """A head at rest, and how its face moves.

    Attributes:
        rest: `[v, 3]` the face at rest, then attachments. triangles: `[t, 3]`. relief: `[v]` centimetres of carved
            hair, brows and beard along the normal. tint: `[v, 3]` factors on the albedo (pupils, painted hair).
        moving: number of vertices that move, the first ones of `rest`. shapes: name → `[moving, 3]`.
        landmarks: `[68]` vertex numbers. outline: vertex numbers of the face, forehead to chin and cheek to cheek.
        posture: one of `POSTURES`. kind: `Corpus.kind`. measured: whether its landmarks and units are known; a
            scan's are not.
    """

    rest: F32
    triangles: NDArray[np.int32]
    relief: F32
    tint: F32
    moving: int
    shapes: dict[str, F32]
    landmarks: NDArray[np.int64]
    outline: NDArray[np.int64]
    posture: str
    kind: str
    measured: bool = True

    def making(self, weights: dict[str, float]) -> F32:
        """Vertices `[v, 3]` of the face with these shape weights, relief included."""
        vertices = self.rest.copy()
        for name, weight in weights.items():
            if weight and name in self.shapes:
                vertices[: self.moving] += np.float32(weight) * self.shapes[name]
        normals = raster.normals_of(vertices, self.triangles)
        return vertices + normals * self.relief[:, None]


def carve(model: HeadModel, random: Generator) -> Head:
    """Draw a head."""
    spread = random.uniform(0.6, 1.25)
    coefficients = np.clip(random.normal(0, spread, len(model.identity)), -3, 3).astype(np.float32)
    rest = model.neutral + np.tensordot(coefficients, model.identity, 1)
    warp = reshaping(rest, random)
    shapes = _restyled(model, rest, warp, random)
    rest = _simplified(warp.apply(rest), model, random)
    # A carver's smoothing moves the rest only; the shapes are differences and stay.
    posture = POSTURES[random.choice(len(POSTURES), p=(0.13, 0.13, 0.14, 0.12, 0.13, 0.35))]
    marks = rest[model.landmarks]
    kept, triangles = _openings(model, random)
    relief, tint = _relief(rest, model, marks, posture, random)
    pieces = dress.pieces(rest, model, marks, posture, random)
    all_rest, all_triangles, all_relief, all_tint = [rest], [triangles], [relief], [tint]
    for vertices, faces, shade in pieces:
        all_triangles.append(faces + sum(map(len, all_rest)))
        all_rest.append(vertices)
        all_relief.append(np.zeros(len(vertices), np.float32))
        all_tint.append(np.full((len(vertices), 3), shade, np.float32))
    brow = marks[17:27, 1].mean()
    height = brow - marks[8, 1]
    outline = (model.part == FACE) & (rest[:, 1] > marks[8, 1] - 0.3) & (rest[:, 1] < brow + 0.3 * height)
    outline &= rest[:, 2] > marks[[0, 16], 2].mean() - 0.5
    return Head(
        np.concatenate(all_rest).astype(np.float32),
        np.concatenate(all_triangles).astype(np.int32),
        np.concatenate(all_relief).astype(np.float32),
        np.concatenate(all_tint).astype(np.float32),
        len(rest),
        shapes,
        model.landmarks,
        np.flatnonzero(outline & kept),
        posture,
        model.kind,
    )


@dataclass(frozen=True, slots=True)
class Reshaping:
    """A smooth reshaping of space: other proportions, and local bulges and hollows of a few millimetres.

    Attributes:
        scale: `[3]`. centres, pushes: `[k, 3]`, radii: `[k]` of the bulges. taper: widening per centimetre of height.
    """

    scale: F32
    centres: F32
    radii: F32
    pushes: F32
    taper: float

    def apply(self, points: F32) -> F32:
        moved = points * self.scale
        for centre, radius, push in zip(self.centres, self.radii, self.pushes, strict=True):
            near = np.exp(-((points - centre) ** 2).sum(1) / (2 * radius * radius))
            moved += near[:, None] * push
        moved[:, 0] *= 1 + np.float32(self.taper) * points[:, 1]
        return moved.astype(np.float32)


def reshaping(rest: F32, random: Generator) -> Reshaping:
    """Draw a reshaping whose bulges lie on the face."""
    scale = np.exp(random.normal(0, (0.07, 0.05, 0.08))).astype(np.float32)
    face = rest[(rest[:, 2] > 3) & (rest[:, 1] > -9) & (rest[:, 1] < 12)]
    count = int(random.integers(6, 22))
    centres = face[random.integers(len(face), size=count)]
    radii = random.uniform(1.2, 4.5, count).astype(np.float32)
    strength = random.uniform(0.03, 0.11)
    pushes = (random.normal(0, strength, (count, 3)) * radii[:, None]).astype(np.float32)
    if random.random() < 0.8:  # mostly the same on both sides
        mirror = np.float32([-1, 1, 1])
        centres = np.concatenate([centres, centres * mirror])
        pushes = np.concatenate([pushes, pushes * mirror * np.float32(random.uniform(0.8, 1.0))])
        radii = np.concatenate([radii, radii])
    return Reshaping(scale, centres, radii, pushes, float(random.normal(0, 0.012)))


def _restyled(model: HeadModel, rest: F32, warp: Reshaping, random: Generator) -> dict[str, F32]:
    """The head model's shapes as this head performs them: reshaped with it, each a little stronger or weaker, unevenly
    over the face. Another head model's smile differs by more than its intensity."""
    low, high = rest.min(0), rest.max(0)
    unit = (rest - low) / (high - low)
    waves = random.normal(0, 4.0, (3, 3)).astype(np.float32)
    phases = random.uniform(0, 6.28, 3)
    shapes = {}
    gains: dict[str, tuple[float, float, int]] = {}
    for name, offset in model.expressions.items():
        stem = name.removesuffix("_L").removesuffix("_R")
        if stem not in gains:
            gains[stem] = float(np.exp(random.normal(0, 0.15))), float(random.uniform(0, 0.3)), int(random.integers(3))
        gain, uneven, which = gains[stem]
        field = gain * (1 + uneven * np.sin(unit @ waves[which] + phases[which]))
        shapes[name] = (offset * field[:, None] * warp.scale).astype(np.float32)
    return shapes


def _simplified(rest: F32, model: HeadModel, random: Generator) -> F32:
    """Planes smoothed over, or features made stronger, as a carver does."""
    amount = float(random.choice((0.0, 0.0, 0.5, 0.8, -0.5, -0.9)) * random.uniform(0.5, 1.0))
    if not amount:
        return rest
    smooth = _averaged(rest, model.triangles, 10)
    solid = np.isin(model.part, (FACE, BACK))
    mixed = rest + np.float32(amount) * (smooth - rest)
    return np.where(solid[:, None], mixed, rest).astype(np.float32)


def _averaged(values: F32, triangles: NDArray[np.int32], rounds: int) -> F32:
    """Each vertex towards the mean of its neighbours, some rounds."""
    edges = np.concatenate([triangles[:, [0, 1]], triangles[:, [1, 2]], triangles[:, [2, 0]]])
    count = np.bincount(edges[:, 0], minlength=len(values)).astype(np.float32)
    out = values
    for _ in range(rounds):
        total = np.stack(
            [np.bincount(edges[:, 0], out[edges[:, 1], axis], len(values)) for axis in range(values.shape[1])], 1
        )
        mean = total / np.maximum(count, 1)[:, None]
        out = np.where(count[:, None] > 0, 0.5 * out + 0.5 * mean, out)
    return out.astype(np.float32)


def _openings(model: HeadModel, random: Generator) -> tuple[NDArray[np.bool_], NDArray[np.int32]]:
    """Which vertices and triangles the statue has: most have no teeth, and a mouth that is one dark hollow."""
    dropped = [MOUTH] + ([TEETH] if random.random() < 0.65 else [])
    kept = ~np.isin(model.part, dropped)
    return kept, model.triangles[kept[model.triangles].all(1)]


def _relief(rest: F32, model: HeadModel, marks: F32, posture: str, random: Generator) -> tuple[F32, F32]:
    """Hair, brows, moustache and beard as carved relief, and what is darker or painted."""
    relief, tint = np.zeros(len(rest), np.float32), np.ones((len(rest), 3), np.float32)
    eye_line, brow_line = marks[36:48, 1].mean(), marks[17:27, 1].mean()
    hairline = brow_line + random.uniform(3.0, 6.5)
    # scalp: above a line that falls from the forehead towards the nape
    front = np.clip((rest[:, 2] - marks[[0, 16], 2].mean()) / 6, -1, 1)
    line = np.where(front > 0, eye_line + (hairline - eye_line) * np.sqrt(np.clip(front, 0, 1)), eye_line - 5 * -front)
    scalp = _ramp(rest[:, 1] - line, 0.0, 0.8) * np.isin(model.part, (FACE, BACK))
    ears = (np.abs(rest[:, 0]) > 0.93 * np.abs(marks[[0, 16], 0]).mean()) & (rest[:, 1] < brow_line + 1)
    scalp = np.where(ears, 0, scalp)
    if random.random() < (0.97 if posture != "bust" else 0.8):
        depth = random.uniform(0.25, 0.9)
        style = random.integers(3)
        if style == 0:  # combed strands
            strands = np.abs(
                np.sin(rest[:, 0] * random.uniform(2, 6) + 0.6 * np.sin(rest[:, 1] * random.uniform(0.3, 1)))
            )
        elif style == 1:  # curls
            f = random.uniform(1.6, 3.4)
            strands = np.abs(np.sin(rest[:, 0] * f) * np.sin(rest[:, 1] * f + rest[:, 2]) * np.sin(rest[:, 2] * f))
            strands = np.sqrt(strands)
        else:
            strands = np.full(len(rest), 0.5)
        relief += scalp * depth * (0.6 + 0.5 * strands)
        if random.random() < 0.25:
            tint = np.where(scalp[:, None] > 0.5, np.float32(random.uniform(0.35, 0.9)), tint)
    for brow in (marks[17:22], marks[22:27]):
        if random.random() < 0.9:
            relief += _near(rest, brow, random.uniform(0.18, 0.4)) * random.uniform(-0.02, 0.14)
    old = {"general": 0.75, "civil": 0.6}.get(posture, 0.45)
    if random.random() < old:
        for corner, side in ((marks[48], -1), (marks[54], 1)):
            middle = (marks[33] + marks[51]) / 2
            tip = corner + np.float32([side * random.uniform(0.3, 1.6), random.uniform(-0.9, 0.5), -0.6])
            whiskers = _near(
                rest,
                np.stack([middle, (middle + corner) / 2 + np.float32([0, 0.25, 0]), tip]),
                random.uniform(0.22, 0.4),
            )
            relief += whiskers * random.uniform(0.12, 0.35) * (0.8 + 0.3 * np.sin(rest[:, 0] * 9))
    if random.random() < old * 0.7:
        full = random.random() < 0.45
        line = marks[2:15] if full else marks[[7, 8, 9]]
        beard = _near(rest, line, random.uniform(0.9, 1.8) if full else random.uniform(0.5, 1.1))
        beard *= _ramp(marks[57, 1] - 0.4 - rest[:, 1], 0.0, 0.5) if not full else 1.0
        curls = np.abs(np.sin(rest[:, 0] * 3.1) * np.sin(rest[:, 1] * 2.7))
        relief += beard * random.uniform(0.2, 0.9) * (0.7 + 0.4 * curls)
    return relief.astype(np.float32), _eyes(tint, rest, model, random).astype(np.float32)


def _eyes(tint: F32, rest: F32, model: HeadModel, random: Generator) -> F32:
    """Blank most often; else the iris is darker (drilled or painted), or the whole eye is inlaid light."""
    kind = random.random()
    if kind < 0.45:
        return tint
    if kind < 0.75:
        tint[model.part == IRIS] *= np.float32(random.uniform(0.25, 0.8))
    else:
        tint[model.part == EYE] *= np.float32(random.uniform(1.0, 1.7))
        tint[model.part == IRIS] *= np.float32(random.uniform(0.1, 0.5))
    return tint


def _ramp(x: NDArray, low: float, high: float) -> NDArray:  # type: ignore[type-arg]
    t = np.clip((x - low) / (high - low), 0, 1)
    return t * t * (3 - 2 * t)


def _near(points: F32, line: F32, radius: float) -> F32:
    """1 on a polyline, falling to 0 at twice `radius` from it."""
    best = np.full(len(points), np.inf)
    for a, b in itertools.pairwise(line):
        along = np.clip(((points - a) @ (b - a)) / max(1e-6, float((b - a) @ (b - a))), 0, 1)
        best = np.minimum(best, ((points - (a + along[:, None] * (b - a))) ** 2).sum(1))
    return (1 - _ramp(np.sqrt(best), 0.6 * radius, 2 * radius)).astype(np.float32)

"""The look of stone, clay and bronze: a colour for each pixel that sees the statue.

Surface detail is noise in the rest position of the head, so that it stays on the skin when the face moves. Light is
a sky with lobes (windows, lamps), gathered by the vertices with their own shadows (`raster.lit`), and a few small key
lights with shadows. Reflection: Blinn-Phong with the usual normalisation; `metal` colours it, without the diffuse.

Colours are linear, 1 = white; directions are unit vectors in the camera's frame (x right, y up, z to the camera);
rest positions are centimetres.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import NDArray

F32 = NDArray[np.float32]
I32 = NDArray[np.int32]

# Where a packed `Surface` holds what.
COLOUR, OTHER, MIX, GRAIN, GRAIN_F, LUMPS, LUMP_F, PITS, PIT_F, CRACKS, CRACK_F = 0, 3, 6, 7, 8, 9, 10, 11, 12, 13, 14
CHISEL, CHISEL_F, AXIS, DIRT, PAINT, PAINTED, GLOSS, EXPONENT, METAL, SEED = 15, 16, 17, 20, 21, 24, 25, 26, 27, 28


@dataclass(frozen=True, slots=True)
class Surface:
    """A material. Frequencies are per centimetre, depths centimetres.

    Attributes:
        colour, other: `[3]` linear albedos, mixed by noise of frequency `mix_frequency`.
        grain, grain_frequency: depth of the fine roughness. lumps, lump_frequency: of the coarse.
        pits, pit_frequency: depth of holes. cracks, crack_frequency: depth of cracks.
        chisel, chisel_frequency: depth of parallel tool marks along `chisel_axis` `[3]`.
        dirt: how dark hollows are, 0 to 1. paint `[3]`, painted: colour and share of what is left of it.
        gloss: strength of the reflection; exponent: its sharpness; metal: 0 or 1.
        seed: offset of all noise.
    """

    colour: F32
    other: F32
    mix_frequency: float
    grain: float
    grain_frequency: float
    lumps: float
    lump_frequency: float
    pits: float
    pit_frequency: float
    cracks: float
    crack_frequency: float
    chisel: float
    chisel_frequency: float
    chisel_axis: F32
    dirt: float
    paint: F32
    painted: float
    gloss: float
    exponent: float
    metal: float
    seed: float

    def packed(self) -> F32:
        """All of it as one row of numbers, in the order in which `shade` reads them."""
        return np.concatenate(
            [np.atleast_1d(np.asarray(getattr(self, name), np.float32)) for name in self.__dataclass_fields__]
        ).astype(np.float32)


@njit(cache=True)
def sky(d: F32, lobes: F32) -> tuple[float, float, float]:
    """Radiance from direction `d`: rows of `lobes` are (x, y, z, exponent, r, g, b); row 0 is the overhead gradient."""
    up = 0.5 + 0.5 * (d[0] * lobes[0, 0] + d[1] * lobes[0, 1] + d[2] * lobes[0, 2])
    k = lobes[0, 3]
    r, g, b = lobes[0, 4] * (k + (1 - k) * up), lobes[0, 5] * (k + (1 - k) * up), lobes[0, 6] * (k + (1 - k) * up)
    for i in range(1, lobes.shape[0]):
        cosine = d[0] * lobes[i, 0] + d[1] * lobes[i, 1] + d[2] * lobes[i, 2]
        if cosine > 0:
            w = cosine ** lobes[i, 3]
            r, g, b = r + w * lobes[i, 4], g + w * lobes[i, 5], b + w * lobes[i, 6]
    return r, g, b


@njit(cache=True)
def gather(normals: F32, visible: F32, directions: F32, radiance: F32) -> tuple[F32, F32, F32]:
    """What the vertices receive from the sky.

    Returns:
        `[v, 3]` irradiance (1 under a uniform white sky), `[v, 3]` where its luminance comes from, `[v]` openness.
    """
    count, lights = visible.shape
    received, whence, openness = (
        np.zeros((count, 3), np.float32),
        np.zeros((count, 3), np.float32),
        np.zeros(count, np.float32),
    )
    for v in range(count):
        total = 1e-6
        for k in range(lights):
            cosine = (
                normals[v, 0] * directions[k, 0] + normals[v, 1] * directions[k, 1] + normals[v, 2] * directions[k, 2]
            )
            if cosine <= 0:
                continue
            total += cosine
            w = visible[v, k]
            if w == 0:
                continue
            openness[v] += w * cosine
            brightness = (radiance[k, 0] + radiance[k, 1] + radiance[k, 2]) / 3
            for c in range(3):
                received[v, c] += w * cosine * radiance[k, c]
                whence[v, c] += w * brightness * directions[k, c]
        openness[v] /= total
        for c in range(3):
            received[v, c] /= total
            whence[v, c] /= total
    return received, whence, openness


@njit(cache=True)
def _hash(x: int, y: int, z: int) -> float:
    h = (x * 374761393 + y * 668265263 + z * 2147483647) & 0xFFFFFFFF
    h = ((h ^ (h >> 13)) * 1274126177) & 0xFFFFFFFF
    return ((h ^ (h >> 16)) & 0xFFFFFF) / 16777215.0


@njit(cache=True)
def noise(x: float, y: float, z: float) -> float:
    """Smooth value noise in [0, 1] with one value per unit cell."""
    i, j, k = math.floor(x), math.floor(y), math.floor(z)
    u, v, w = x - i, y - j, z - k
    u, v, w = u * u * (3 - 2 * u), v * v * (3 - 2 * v), w * w * (3 - 2 * w)
    a = _hash(i, j, k) * (1 - u) + _hash(i + 1, j, k) * u
    b = _hash(i, j + 1, k) * (1 - u) + _hash(i + 1, j + 1, k) * u
    c = _hash(i, j, k + 1) * (1 - u) + _hash(i + 1, j, k + 1) * u
    d = _hash(i, j + 1, k + 1) * (1 - u) + _hash(i + 1, j + 1, k + 1) * u
    return (a * (1 - v) + b * v) * (1 - w) + (c * (1 - v) + d * v) * w


@njit(cache=True)
def _height(x: float, y: float, z: float, s: F32) -> float:
    """Relief of the surface at a rest position, centimetres. `s`: a packed `Surface`."""
    o = s[SEED]
    h = 0.0
    if s[GRAIN] > 0:
        f = s[GRAIN_F]
        h += s[GRAIN] * (noise(x * f + o, y * f, z * f) + 0.5 * noise(x * 2.3 * f, y * 2.3 * f + o, z * 2.3 * f) - 0.75)
    if s[LUMPS] > 0:
        f = s[LUMP_F]
        h += s[LUMPS] * (noise(x * f, y * f + o, z * f) - 0.5)
    if s[PITS] > 0:
        f = s[PIT_F]
        h -= s[PITS] * max(0.0, noise(x * f, y * f, z * f + o) - 0.72) / 0.28
    if s[CRACKS] > 0:
        f = s[CRACK_F]
        ridge = abs(noise(x * f + o, y * f + o, z * f) - 0.5)
        h -= s[CRACKS] * max(0.0, 1 - ridge * 28)
    if s[CHISEL] > 0:
        along = (x * s[AXIS] + y * s[AXIS + 1] + z * s[AXIS + 2]) * s[CHISEL_F] + 1.5 * noise(
            x * 0.6, y * 0.6 + o, z * 0.6
        )
        h += s[CHISEL] * abs(math.sin(along * math.pi))
    return h


@njit(cache=True)
def shade(
    seen: I32,
    weights: F32,
    triangles: I32,
    inverse_depth: F32,
    view: F32,
    rest: F32,
    normals: F32,
    received: F32,
    whence: F32,
    openness: F32,
    tint: F32,
    keys: F32,
    key_light: F32,
    lobes: F32,
    s: F32,
    detail: float,
) -> F32:
    """`[h, w, 4]` linear RGB and coverage (0 or 1).

    Args:
        seen, weights: from `raster.rasterise`. inverse_depth: `[v]`.
        view, rest, normals: `[v, 3]` positions in the camera's frame (camera at 0), rest positions, normals.
        received, whence, openness: from `gather`. tint: `[v, 3]` factors on the albedo.
        keys: `[k, 6]` direction and colour of the key lights; key_light: `[v, k]` how far each is seen.
        lobes: the sky. s: a packed `Surface`. detail: finest relief to draw, centimetres (about a pixel).
    """
    height, width = seen.shape
    out = np.zeros((height, width, 4), np.float32)
    lights = keys.shape[0]
    p, n, v, e, g = np.zeros(3), np.zeros(3), np.zeros(3), np.zeros(3), np.zeros(3)
    t3, r3, albedo = np.zeros(3), np.zeros(3, np.float32), np.zeros(3)
    vis = np.zeros(lights)
    step = max(0.02, detail * 0.7)
    fade = 1.0 / (1.0 + (detail * s[GRAIN_F] * 2.0) ** 2)  # relief finer than a pixel averages out
    for row in range(height):
        for column in range(width):
            t = seen[row, column]
            if t < 0:
                continue
            for c in range(3):
                p[c] = n[c] = v[c] = e[c] = g[c] = t3[c] = 0
            for k in range(lights):
                vis[k] = 0
            total, open_ = 0.0, 0.0
            for corner in range(3):
                total += weights[row, column, corner] * inverse_depth[triangles[t, corner]]
            for corner in range(3):
                i = triangles[t, corner]
                w = weights[row, column, corner] * inverse_depth[i] / total
                open_ += w * openness[i]
                for c in range(3):
                    p[c] += w * rest[i, c]
                    n[c] += w * normals[i, c]
                    v[c] += w * view[i, c]
                    e[c] += w * received[i, c]
                    g[c] += w * whence[i, c]
                    t3[c] += w * tint[i, c]
                for k in range(lights):
                    vis[k] += w * key_light[i, k]
            # relief turns the normal
            h0 = _height(p[0], p[1], p[2], s)
            dx = (_height(p[0] + step, p[1], p[2], s) - h0) / step * fade
            dy = (_height(p[0], p[1] + step, p[2], s) - h0) / step * fade
            dz = (_height(p[0], p[1], p[2] + step, s) - h0) / step * fade
            length = math.sqrt(n[0] * n[0] + n[1] * n[1] + n[2] * n[2]) + 1e-9
            n0, n1, n2 = n[0] / length, n[1] / length, n[2] / length
            along = dx * n0 + dy * n1 + dz * n2
            b0, b1, b2 = n0 - (dx - along * n0), n1 - (dy - along * n1), n2 - (dz - along * n2)
            length = math.sqrt(b0 * b0 + b1 * b1 + b2 * b2) + 1e-9
            b0, b1, b2 = b0 / length, b1 / length, b2 / length
            # colour
            o, f = s[SEED], s[MIX]
            m = (
                noise(p[0] * f + o, p[1] * f, p[2] * f) * 0.65
                + noise(p[0] * 3.1 * f, p[1] * 3.1 * f + o, p[2] * 3.1 * f) * 0.35
            )
            m = min(1.0, max(0.0, (m - 0.3) / 0.4))
            painted = 0.0
            if s[PAINTED] > 0:
                q = (
                    noise(p[0] * 0.45, p[1] * 0.45 + o, p[2] * 0.45) * 0.6
                    + noise(p[0] * 1.7 + o, p[1] * 1.7, p[2] * 1.7) * 0.4
                )
                painted = min(1.0, max(0.0, (q - 1 + s[PAINTED]) / 0.2)) * 0.8
            hollow = 1 - s[DIRT] * (1 - open_) * (0.4 + 0.6 * m)
            for c in range(3):
                albedo[c] = (s[COLOUR + c] * (1 - m) + s[OTHER + c] * m) * (1 - painted) + s[PAINT + c] * painted
                albedo[c] *= hollow * t3[c]
            # light
            gain = 1.0
            brightness = (e[0] + e[1] + e[2]) / 3 + 1e-4
            gain += ((b0 - n0) * g[0] + (b1 - n1) * g[1] + (b2 - n2) * g[2]) / brightness
            gain = min(2.0, max(0.25, gain))
            length = math.sqrt(v[0] * v[0] + v[1] * v[1] + v[2] * v[2]) + 1e-9
            v0, v1, v2 = -v[0] / length, -v[1] / length, -v[2] / length  # to the camera
            facing = b0 * v0 + b1 * v1 + b2 * v2
            r3[0], r3[1], r3[2] = 2 * facing * b0 - v0, 2 * facing * b1 - v1, 2 * facing * b2 - v2
            sky0, sky1, sky2 = sky(r3, lobes)
            fresnel = s[GLOSS] * (1 + 2 * (1 - max(0.0, facing)) ** 5) if s[METAL] == 0 else s[GLOSS]
            for c in range(3):
                bounce = 1 / (1 - min(0.9, albedo[c]) * (1 - open_) * 0.8)  # light between walls of its own colour
                value = albedo[c] * e[c] * gain * bounce * (1 - 0.85 * s[METAL])
                reflected = (sky0 if c == 0 else sky1 if c == 1 else sky2) * open_
                value += fresnel * reflected * (albedo[c] if s[METAL] > 0 else 1.0)
                out[row, column, c] = value
            for k in range(lights):
                if vis[k] <= 0:
                    continue
                cosine = b0 * keys[k, 0] + b1 * keys[k, 1] + b2 * keys[k, 2]
                if cosine <= 0:
                    continue
                x, y, z = keys[k, 0] + v0, keys[k, 1] + v1, keys[k, 2] + v2
                half = math.sqrt(x * x + y * y + z * z) + 1e-9
                spark = max(0.0, (b0 * x + b1 * y + b2 * z) / half) ** s[EXPONENT] * (s[EXPONENT] + 8) / 25.0
                for c in range(3):
                    diffuse = albedo[c] * (1 - 0.85 * s[METAL])
                    sheen = fresnel * spark * (albedo[c] if s[METAL] > 0 else 1.0)
                    out[row, column, c] += keys[k, 3 + c] * vis[k] * cosine * (diffuse + sheen)
            out[row, column, 3] = 1
    return out

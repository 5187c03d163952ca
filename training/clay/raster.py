"""A small z-buffer rasteriser: which triangle each pixel sees, and which vertices see a distant light.

Compiled by numba and single-threaded, so that a picture is the same bytes wherever it is rendered and as many pictures
are rendered at once as there are processes. Pixel centres stand at half-integers; y points down.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

F32 = NDArray[np.float32]
I32 = NDArray[np.int32]


@njit(cache=True)
def rasterise(xyz: F32, triangles: I32, width: int, height: int) -> tuple[I32, F32, F32]:
    """The nearest triangle at each pixel.

    Args:
        xyz: `[v, 3]`: x and y in pixels, and 1 / depth (larger is nearer; linear on the screen under perspective).
        triangles: `[t, 3]` vertex numbers, either way round.

    Returns:
        `[height, width]` triangle number (-1: none), `[height, width, 3]` weights of its three corners (on the screen),
        `[height, width]` 1 / depth (0: none).
    """
    seen = np.full((height, width), -1, np.int32)
    weights = np.zeros((height, width, 3), np.float32)
    near = np.zeros((height, width), np.float32)
    for t in range(triangles.shape[0]):
        a, b, c = triangles[t, 0], triangles[t, 1], triangles[t, 2]
        ax, ay, bx, by, cx, cy = xyz[a, 0], xyz[a, 1], xyz[b, 0], xyz[b, 1], xyz[c, 0], xyz[c, 1]
        area = (bx - ax) * (cy - ay) - (by - ay) * (cx - ax)
        if abs(area) < 1e-9:
            continue
        left = max(0, math.ceil(min(ax, bx, cx) - 0.5))
        right = min(width - 1, math.floor(max(ax, bx, cx) - 0.5))
        top = max(0, math.ceil(min(ay, by, cy) - 0.5))
        bottom = min(height - 1, math.floor(max(ay, by, cy) - 0.5))
        if left > right or top > bottom:
            continue
        za, zb, zc = xyz[a, 2], xyz[b, 2], xyz[c, 2]
        inverse = 1.0 / area
        for y in range(top, bottom + 1):
            py = y + 0.5
            for x in range(left, right + 1):
                px = x + 0.5
                wa = ((bx - px) * (cy - py) - (by - py) * (cx - px)) * inverse
                wb = ((cx - px) * (ay - py) - (cy - py) * (ax - px)) * inverse
                wc = 1.0 - wa - wb
                if wa < 0 or wb < 0 or wc < 0:
                    continue
                z = wa * za + wb * zb + wc * zc
                if z > near[y, x]:
                    near[y, x] = z
                    seen[y, x] = t
                    weights[y, x, 0], weights[y, x, 1], weights[y, x, 2] = wa, wb, wc
    return seen, weights, near


@njit(cache=True)
def _depths(x: F32, y: F32, z: F32, triangles: I32, side: int) -> F32:
    """A depth map `[side, side]` along z: the largest z at each cell, by the vertices' cells and triangles' insides."""
    far = np.full((side, side), -1e9, np.float32)
    for t in range(triangles.shape[0]):
        a, b, c = triangles[t, 0], triangles[t, 1], triangles[t, 2]
        ax, ay, bx, by, cx, cy = x[a], y[a], x[b], y[b], x[c], y[c]
        area = (bx - ax) * (cy - ay) - (by - ay) * (cx - ax)
        if abs(area) < 1e-9:
            continue
        left = max(0, math.ceil(min(ax, bx, cx) - 0.5))
        right = min(side - 1, math.floor(max(ax, bx, cx) - 0.5))
        top = max(0, math.ceil(min(ay, by, cy) - 0.5))
        bottom = min(side - 1, math.floor(max(ay, by, cy) - 0.5))
        if left > right or top > bottom:
            continue
        inverse = 1.0 / area
        # z and the weights are linear in x and y: step instead of solving again
        stepa, stepb = (by - cy) * inverse, (cy - ay) * inverse
        for row in range(top, bottom + 1):
            py, px = row + 0.5, left + 0.5
            wa = ((bx - px) * (cy - py) - (by - py) * (cx - px)) * inverse
            wb = ((cx - px) * (ay - py) - (cy - py) * (ax - px)) * inverse
            for column in range(left, right + 1):
                wc = 1.0 - wa - wb
                if wa >= 0 and wb >= 0 and wc >= 0:
                    depth = wa * z[a] + wb * z[b] + wc * z[c]
                    if depth > far[row, column]:
                        far[row, column] = depth
                wa += stepa
                wb += stepb
    return far


@njit(cache=True)
def lit(vertices: F32, normals: F32, triangles: I32, directions: F32, side: int, bias: float) -> F32:
    """How far each vertex sees a distant light in each direction.

    Args:
        vertices, normals: `[v, 3]`. directions: `[d, 3]` unit vectors towards the lights.
        side: of the depth maps, in cells. bias: what does not count as in front, in units of the vertices.

    Returns:
        `[v, d]` in [0, 1], soft over the edge of a cell; 0 where the surface faces away.
    """
    count, lights = vertices.shape[0], directions.shape[0]
    out = np.zeros((count, lights), np.float32)
    middle = np.zeros(3, np.float32)
    for axis in range(3):
        middle[axis] = (vertices[:, axis].min() + vertices[:, axis].max()) / 2
    reach = np.float32(0.0)
    for v in range(count):
        d = math.sqrt(
            (vertices[v, 0] - middle[0]) ** 2 + (vertices[v, 1] - middle[1]) ** 2 + (vertices[v, 2] - middle[2]) ** 2
        )
        reach = max(reach, d)
    scale = np.float32((side / 2 - 1.5) / reach)
    x, y, z = np.empty(count, np.float32), np.empty(count, np.float32), np.empty(count, np.float32)
    for light in range(lights):
        dx, dy, dz = directions[light, 0], directions[light, 1], directions[light, 2]
        # two axes across the light
        if abs(dy) < 0.9:
            ux, uy, uz = dz, np.float32(0.0), -dx
        else:
            ux, uy, uz = np.float32(0.0), -dz, dy
        length = math.sqrt(ux * ux + uy * uy + uz * uz)
        ux, uy, uz = ux / length, uy / length, uz / length
        wx, wy, wz = dy * uz - dz * uy, dz * ux - dx * uz, dx * uy - dy * ux
        for v in range(count):
            px, py, pz = vertices[v, 0] - middle[0], vertices[v, 1] - middle[1], vertices[v, 2] - middle[2]
            x[v] = (px * ux + py * uy + pz * uz) * scale + side / 2
            y[v] = (px * wx + py * wy + pz * wz) * scale + side / 2
            z[v] = px * dx + py * dy + pz * dz
        far = _depths(x, y, z, triangles, side)
        for v in range(count):
            facing = normals[v, 0] * dx + normals[v, 1] * dy + normals[v, 2] * dz
            if facing <= 0:
                continue
            # four cells around, weighed by distance: percentage-closer filtering
            fx, fy = x[v] - 0.5, y[v] - 0.5
            column, row = math.floor(fx), math.floor(fy)
            tx, ty = fx - column, fy - row
            total = 0.0
            slack = bias * (1.0 + 1.5 * (1.0 - facing))
            for j in range(2):
                for i in range(2):
                    w = (tx if i else 1 - tx) * (ty if j else 1 - ty)
                    if z[v] > far[row + j, column + i] - slack:
                        total += w
            out[v, light] = total
    return out


@njit(cache=True)
def normals_of(vertices: F32, triangles: I32) -> F32:
    """Vertex normals `[v, 3]`: means over the triangles around, weighed by area; unit length."""
    out = np.zeros_like(vertices)
    for t in range(triangles.shape[0]):
        a, b, c = triangles[t, 0], triangles[t, 1], triangles[t, 2]
        ux, uy, uz = vertices[b, 0] - vertices[a, 0], vertices[b, 1] - vertices[a, 1], vertices[b, 2] - vertices[a, 2]
        vx, vy, vz = vertices[c, 0] - vertices[a, 0], vertices[c, 1] - vertices[a, 1], vertices[c, 2] - vertices[a, 2]
        nx, ny, nz = uy * vz - uz * vy, uz * vx - ux * vz, ux * vy - uy * vx
        for corner in (a, b, c):
            out[corner, 0] += nx
            out[corner, 1] += ny
            out[corner, 2] += nz
    for v in range(out.shape[0]):
        length = math.sqrt(out[v, 0] ** 2 + out[v, 1] ** 2 + out[v, 2] ** 2)
        if length > 1e-12:
            for axis in range(3):
                out[v, axis] /= length
    return out

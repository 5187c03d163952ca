"""Catmull–Clark subdivision of a quad mesh, once (Catmull & Clark, Computer-Aided Design 10 (1978)).

It is linear in the vertices, so that a mesh and what is added to it are subdivided alike.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

F32 = NDArray[np.float32]
I64 = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Subdivision:
    """What one subdivision of a mesh of v vertices, f quads and e edges does.

    Attributes:
        quads: `[f, 4]` of the coarse mesh. edges: `[e, 2]` its edges, and `beside`: `[e, 2]` the quads on both sides
            (twice the same at a border). around: `[v, k]` the quads, and `next_to`: `[v, k]` the vertices, around each
            vertex, -1 where there are fewer. inside: `[v]`, no border's vertex: a border's stays where it is.
        fine: `[4 f, 4]`, quads of the fine mesh, whose vertices are the old ones, then one of each edge and each quad.
    """

    quads: I64
    edges: I64
    beside: I64
    around: I64
    next_to: I64
    inside: NDArray[np.bool_]
    fine: I64

    def apply(self, values: F32) -> F32:
        """`[v, 3]` → `[v + e + f, 3]`."""
        faces = values[self.quads].mean(1)
        ends = values[self.edges].mean(1)
        border = (self.beside[:, 0] == self.beside[:, 1])[:, None]
        middles = np.where(border, ends, (ends + faces[self.beside].mean(1)) / 2)
        count = (self.next_to >= 0).sum(1)[:, None].astype(np.float32)
        of_faces = _mean(faces, self.around)
        of_edges = (_mean(values, self.next_to) + values) / 2
        smooth = (of_faces + 2 * of_edges + (count - 3) * values) / np.maximum(count, 1)
        corners = np.where(self.inside[:, None], smooth, values)
        return np.concatenate([corners, middles, faces]).astype(np.float32)


def of(quads: I64, vertices: int) -> Subdivision:
    """The subdivision of quads `[f, 4]` among so many vertices."""
    sides = np.stack([quads, np.roll(quads, -1, 1)], 2).reshape(-1, 2)
    edges, which = np.unique(np.sort(sides, 1), axis=0, return_inverse=True)
    which = which.reshape(-1)
    owner = np.repeat(np.arange(len(quads)), 4)
    beside = np.full((len(edges), 2), -1, np.int64)
    order = np.argsort(which, kind="stable")
    first = np.searchsorted(which[order], np.arange(len(edges)))
    last = np.searchsorted(which[order], np.arange(len(edges)), "right") - 1
    beside[:, 0], beside[:, 1] = owner[order[first]], owner[order[last]]
    border = edges[first == last].ravel()
    inside = np.zeros(vertices, bool)
    inside[quads] = True
    inside[border] = False
    at_edge = vertices + which.reshape(-1, 4)  # the edge from each corner to the next
    at_face = vertices + len(edges) + np.arange(len(quads))
    fine = np.stack(
        [quads, at_edge, np.broadcast_to(at_face[:, None], quads.shape), np.roll(at_edge, 1, 1)], 2
    ).reshape(-1, 4)
    around = _grouped(quads.ravel(), owner, vertices)
    next_to = _grouped(edges.ravel(), edges[:, ::-1].ravel(), vertices)
    return Subdivision(quads, edges, beside, around, next_to, inside, fine)


def triangles_of(quads: I64) -> NDArray[np.int32]:
    """Two triangles for each quad."""
    return np.concatenate([quads[:, [0, 1, 2]], quads[:, [0, 2, 3]]]).astype(np.int32)


def _grouped(keys: I64, values: I64, count: int) -> I64:
    """`[count, most]`: the values of each key, then -1."""
    order = np.argsort(keys, kind="stable")
    keys, values = keys[order], values[order]
    place = np.arange(len(keys)) - np.searchsorted(keys, keys)
    table = np.full((count, int(place.max()) + 1), -1, np.int64)
    table[keys, place] = values
    return table


def _mean(values: F32, table: I64) -> F32:
    """The mean of the values that each row of a table names; zeros where it names none."""
    there = (table >= 0)[..., None]
    total = (values[table] * there).sum(1)
    mean: F32 = (total / np.maximum(there.sum(1), 1)).astype(np.float32)
    return mean

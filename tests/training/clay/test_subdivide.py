from __future__ import annotations

import numpy as np

from training.clay import subdivide

CORNERS = np.array([[x, y, z] for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)], np.float32)
CUBE = np.array([[0, 1, 3, 2], [4, 6, 7, 5], [0, 4, 5, 1], [2, 3, 7, 6], [0, 2, 6, 4], [1, 5, 7, 3]])


def test_a_cube_is_rounded_as_catmull_and_clark_say() -> None:
    cube = subdivide.of(CUBE, len(CORNERS))
    fine = cube.apply(CORNERS)
    assert (len(fine), len(cube.fine)) == (8 + 12 + 6, 24)
    # F = 1/3 of the corner (mean of its faces' middles), R = 2/3 (mean of its edges'), (F + 2 R + (3 - 3) P) / 3 = 5/9
    np.testing.assert_allclose(fine[:8], CORNERS * 5 / 9, atol=1e-6)
    np.testing.assert_allclose(np.sort(np.abs(fine[8:20]), 1), np.tile([0, 0.75, 0.75], (12, 1)), atol=1e-6)
    np.testing.assert_allclose(np.sort(np.abs(fine[20:]), 1), np.tile([0, 0, 1], (6, 1)), atol=1e-6)


def test_every_edge_of_a_closed_mesh_still_has_a_quad_on_each_side() -> None:
    fine = subdivide.of(CUBE, len(CORNERS)).fine
    sides = np.stack([fine, np.roll(fine, -1, 1)], 2).reshape(-1, 2)
    assert len({tuple(side) for side in sides.tolist()}) == len(sides), "all quads go the same way round"
    assert {tuple(side) for side in sides.tolist()} == {tuple(side) for side in sides[:, ::-1].tolist()}


def test_a_border_keeps_its_vertices_and_halves_its_edges() -> None:
    flat = np.array([[x, y, 0] for y in range(3) for x in range(3)], np.float32)
    quads = np.array([[0, 1, 4, 3], [1, 2, 5, 4], [3, 4, 7, 6], [4, 5, 8, 7]])
    mesh = subdivide.of(quads, 9)
    fine = mesh.apply(flat)
    np.testing.assert_array_equal(fine[:9], flat)  # the middle one too: everything around it is even
    assert {(0.5, 0), (1.5, 0), (0, 0.5)} <= {(x, y) for x, y, _ in fine[9:].tolist()}


def test_subdividing_what_is_added_adds_what_is_subdivided() -> None:
    random = np.random.default_rng(0)
    moved = random.normal(0, 1, CORNERS.shape).astype(np.float32)
    cube = subdivide.of(CUBE, len(CORNERS))
    np.testing.assert_allclose(cube.apply(CORNERS + moved), cube.apply(CORNERS) + cube.apply(moved), atol=1e-5)

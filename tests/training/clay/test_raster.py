"""The rasteriser and its shadows."""

from __future__ import annotations

import numpy as np

from training.clay import raster


def test_a_pixel_sees_the_nearest_triangle_with_weights_that_sum_to_one() -> None:
    xyz = np.float32([[0, 0, 0.1], [8, 0, 0.1], [0, 8, 0.1], [0, 0, 0.5], [4, 0, 0.5], [0, 4, 0.5]])
    seen, weights, near = raster.rasterise(xyz, np.int32([[0, 1, 2], [3, 5, 4]]), 8, 8)
    assert seen[0, 0] == 1
    assert seen[0, 6] == 0
    assert seen[7, 7] == -1
    assert near[7, 7] == 0
    np.testing.assert_allclose(weights[seen >= 0].sum(1), 1, atol=1e-5)
    np.testing.assert_allclose(near[0, 0], 0.5)
    covered = (seen >= 0).sum()
    assert covered == 36  # half of 8 x 8 and the diagonal's pixel centres


def plate(height: float, half: float) -> tuple[np.ndarray, np.ndarray]:  # type: ignore[type-arg]
    """A horizontal square of many vertices."""
    side = np.linspace(-half, half, 9)
    x, z = np.meshgrid(side, side)
    vertices = np.stack([x, np.full_like(x, height), z], -1).reshape(-1, 3).astype(np.float32)
    at = np.arange(81).reshape(9, 9)
    a, b, c, d = at[:-1, :-1].ravel(), at[:-1, 1:].ravel(), at[1:, :-1].ravel(), at[1:, 1:].ravel()
    return vertices, np.concatenate([np.stack([a, c, b], 1), np.stack([b, c, d], 1)]).astype(np.int32)


def test_what_lies_under_a_plate_is_in_its_shadow_and_nothing_else_is() -> None:
    floor, floor_triangles = plate(0, 4)
    roof, roof_triangles = plate(2, 1.5)
    vertices = np.concatenate([floor, roof])
    triangles = np.concatenate([floor_triangles, roof_triangles + len(floor)])
    up = np.tile(np.float32([0, 1, 0]), (len(vertices), 1))
    straight = raster.lit(vertices, up, triangles, np.float32([[0, 1, 0]]), 64, 0.1)[:, 0]
    centre = np.abs(floor[:, [0, 2]]).max(1)
    assert (straight[: len(floor)][centre < 1.2] == 0).all()
    assert (straight[: len(floor)][centre > 2.2] == 1).all()
    assert (straight[len(floor) :] > 0.99).all()
    below = raster.lit(vertices, up, triangles, np.float32([[0, -1, 0]]), 64, 0.1)
    assert (below == 0).all()  # surfaces that face away


def test_normals_are_unit_and_point_out_of_counterclockwise_triangles() -> None:
    vertices, triangles = plate(0, 1)
    np.testing.assert_allclose(raster.normals_of(vertices, triangles), np.tile([0, 1, 0], (81, 1)), atol=1e-6)

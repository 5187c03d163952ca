"""Canvases: how a picture is cut into them, and that what is found in one comes back to its place."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from services.detection.tiles import CANVAS_PX, GREY, OVERLAP_PX, Tile, canvases, tiles
from services.domain import RGB


def levels(layout: list[Tile]) -> list[tuple[int, int]]:
    return list(dict.fromkeys((tile.level.width, tile.level.height) for tile in layout))


@pytest.mark.parametrize(
    ("size", "expected", "count"),
    [
        ((320, 240), [(320, 240)], 1),
        ((48, 48), [(320, 320)], 1),
        ((400, 300), [(320, 240)], 1),
        ((640, 480), [(320, 240), (640, 480)], 1 + 3 * 2),
        ((1000, 1000), [(320, 320), (640, 640), (1280, 1280)], 1 + 9 + 25),
        ((8000, 5000), [(320, 200), (640, 400), (1280, 800)], 1 + 3 * 2 + 5 * 3),
        ((1, 5000), [(1, 320), (1, 640), (1, 1280)], 1 + 3 + 5),
        ((1, 1), [(320, 320)], 1),
    ],
)
def test_a_picture_is_searched_whole_and_where_it_has_the_pixels_finer(
    size: tuple[int, int], expected: list[tuple[int, int]], count: int
) -> None:
    layout = tiles(*size)
    assert levels(layout) == expected
    assert len(layout) == count
    assert (layout[0].left, layout[0].top) == (0, 0)


@pytest.mark.parametrize("size", [(640, 480), (1921, 1083), (700, 4000)])
def test_tiles_cover_their_level_and_overlap_enough(size: tuple[int, int]) -> None:
    layout = tiles(*size)
    for level in {tile.level for tile in layout}:
        for axis, length in (("left", level.width), ("top", level.height)):
            starts = sorted({getattr(tile, axis) for tile in layout if tile.level == level})
            assert starts[0] == 0
            assert starts[-1] == max(0, length - CANVAS_PX)
            assert all(after - before <= CANVAS_PX - OVERLAP_PX for before, after in pairwise(starts))


def test_every_face_up_to_the_overlap_is_whole_in_some_tile() -> None:
    layout = [tile for tile in tiles(1280, 900) if tile.level.width == 1280]
    side = OVERLAP_PX - 4
    for left in range(0, 1280 - side, 7):
        box = np.array([[left, 300.0, side, side]])
        assert any(
            tile.whole(box - [tile.left, tile.top, 0, 0]).all() for tile in layout if tile.top <= 300 < tile.top + 200
        )


def test_a_box_at_an_inner_edge_is_not_whole_and_at_the_pictures_edge_it_is() -> None:
    first, second, third = (tile for tile in tiles(640, 200)[1:4])
    at_left, at_right = np.array([[0.0, 50, 60, 60]]), np.array([[270.0, 50, 50, 60]])
    assert first.whole(at_left).all()
    assert not first.whole(at_right).any()
    assert not second.whole(at_left).any()
    assert third.whole(at_right).all()
    assert first.whole(np.array([[-20.0, -20, 100, 100]])).all(), "a face may reach over the picture's own edge"


@pytest.mark.parametrize("size", [(640, 480), (777, 1234), (50, 31), (3, 900)])
def test_a_point_comes_back_to_the_pixel_that_it_showed(size: tuple[int, int]) -> None:
    width, height = size
    for tile in tiles(width, height):
        corner = np.array([tile.level.width - tile.left, tile.level.height - tile.top], float)
        np.testing.assert_allclose(tile.to_picture(corner), (width, height), rtol=1e-12)
        start = tile.to_picture(np.zeros(2))
        np.testing.assert_allclose(start, (tile.left / tile.level.scale_x, tile.top / tile.level.scale_y))


def test_canvases_show_the_picture_at_the_top_left_and_grey_elsewhere() -> None:
    image = np.random.default_rng(0).integers(0, 256, (240, 320, 3), np.uint8)
    (canvas,) = canvases(image, tiles(320, 240))
    np.testing.assert_array_equal(canvas[:240], image)
    assert (canvas[240:] == GREY).all()


def test_tiles_at_the_pictures_own_size_are_its_pixels() -> None:
    image = np.random.default_rng(1).integers(0, 256, (640, 640, 3), np.uint8)
    layout = tiles(640, 640)
    for tile, canvas in zip(layout[1:], canvases(image, layout)[1:], strict=True):
        np.testing.assert_array_equal(canvas, image[tile.top : tile.top + 320, tile.left : tile.left + 320])


@pytest.mark.parametrize("size", [(1, 1), (1, 5000), (5000, 1), (2, 3), (6000, 4000)])
def test_pictures_of_any_size_fill_whole_canvases(size: tuple[int, int]) -> None:
    image: RGB = np.full((size[1], size[0], 3), 90, np.uint8)
    layout = tiles(*size)
    filled = canvases(image, layout)
    assert filled.shape == (len(layout), CANVAS_PX, CANVAS_PX, 3)
    assert set(np.unique(filled)) <= {90, GREY}
    assert (filled[:, 0, 0] == 90).all()

"""Squares cut out of a picture: at any size, any place, any roll, as a slow reference cuts them."""

from __future__ import annotations

import time
import tracemalloc

import numpy as np
import pytest

from services.domain import RGB, Square
from services.images import cut


def ramps() -> RGB:
    y, x = np.mgrid[0:48, 0:80]
    return np.stack([x * 3, y * 5, x + y], -1).astype(np.uint8)


def slowly_cut(image: RGB, square: Square, side_px: int, fine: int = 24) -> RGB:
    """`cut` by brute force: the mean of `fine`² linear samples in every output pixel."""
    spots = (np.arange(side_px * fine) + 0.5) / (side_px * fine) - 0.5
    dx, dy = np.meshgrid(spots * square.side, spots * square.side)
    roll = np.radians(square.roll_deg)
    x = square.centre_x + np.cos(roll) * dx - np.sin(roll) * dy - 0.5
    y = square.centre_y + np.sin(roll) * dx + np.cos(roll) * dy - 0.5
    height, width = image.shape[:2]
    left, top = np.floor(x).astype(int), np.floor(y).astype(int)
    total = np.zeros((*x.shape, 3))
    for right, below in ((0, 0), (0, 1), (1, 0), (1, 1)):
        weight = np.abs(1 - right - (x - left)) * np.abs(1 - below - (y - top))
        total += weight[..., None] * image[
            np.clip(top + below, 0, height - 1), np.clip(left + right, 0, width - 1)
        ].astype(float)
    return total.reshape(side_px, fine, side_px, fine, 3).mean((1, 3)).round().astype(np.uint8)


@pytest.mark.parametrize(
    "square",
    [
        Square(60.3, 40.7, 50.5),
        Square(60, 40, 20),
        Square(75.2, 22.9, 120.0),
        Square(60, 40, 33.3, roll_deg=25),
        Square(10.5, 70.2, 400.0, roll_deg=-10),
        Square(-500, 40, 30),
    ],
)
def test_a_cut_equals_the_slow_reference(square: Square) -> None:
    y, x = np.mgrid[0:80, 0:120]
    image = np.stack([128 + 100 * np.sin(x / 5), 128 + 100 * np.cos(y / 4), x + y], -1).astype(np.uint8)
    error = np.abs(cut(image, square, 28).astype(int) - slowly_cut(image, square, 28))
    assert error.mean() < 1.5
    assert np.percentile(error, 99) <= 8


def test_a_shrinking_cut_averages_areas() -> None:
    chequers = (np.indices((512, 512)).sum(0) % 2 * 255).astype(np.uint8)[..., None].repeat(3, 2)
    for side_px in (256, 64, 17):
        crop = cut(chequers, Square(256, 256, 500), side_px)
        assert np.abs(crop.astype(int) - 127).max() <= 40 if side_px == 256 else 3


def test_a_cut_of_the_same_size_is_a_copy() -> None:
    image = ramps()
    np.testing.assert_array_equal(cut(image, Square(40, 24, 32), 32), image[8:40, 24:56])


def test_beyond_the_edge_the_border_is_repeated() -> None:
    image = ramps()
    crop = cut(image, Square(0, 24, 32), 32)
    np.testing.assert_array_equal(crop[:, :16], image[8:40, :1].repeat(16, 1))


def test_a_very_large_square_stands_where_a_small_one_does() -> None:
    y, x = np.mgrid[0:5000, 0:5000]
    image = np.stack([x / 20, y / 20, (x + y) / 40], -1).astype(np.uint8)
    crop = cut(image, Square(2600.5, 2300.5, 4001), 40)
    spots = (np.arange(40) + 0.5) * 4001 / 40 - 4001 / 2
    assert np.abs(crop[20, :, 0] - (2600 + spots) / 20).max() < 1.5
    assert np.abs(crop[:, 20, 1] - (2300 + spots) / 20).max() < 1.5


@pytest.mark.parametrize("shape", [(1, 1), (65000, 1), (1, 65000), (4000, 3000)])
def test_the_thinnest_and_largest_pictures_are_cut_fast(shape: tuple[int, int]) -> None:
    image = np.full((*shape, 3), 77, np.uint8)
    begun = time.perf_counter()
    crop = cut(image, Square(shape[1] / 2, shape[0] / 2, float(max(shape))), 112)
    assert time.perf_counter() - begun < 0.5
    assert crop.shape == (112, 112, 3)
    assert (crop == 77).all()


@pytest.mark.parametrize("upright", [False, True])
def test_a_strip_is_cut_in_little_more_memory_than_it_has(upright: bool) -> None:
    length = 1_000_000
    strip = np.repeat(np.linspace(0, 255, length).astype(np.uint8)[None, :, None], 3, 2)
    image = np.ascontiguousarray(strip.transpose(1, 0, 2)) if upright else strip
    tracemalloc.start()
    crop = cut(image, Square(image.shape[1] / 2, image.shape[0] / 2, float(length)), 112)
    _, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak_bytes < 30_000_000  # the picture has 3 million; OpenCV's arrays are counted too
    along = (crop.transpose(1, 0, 2) if upright else crop).astype(float)
    assert np.ptp(along, axis=0).max() <= 1  # its border is repeated across
    assert np.abs(along[0, :, 0] - (np.arange(112) + 0.5) / 112 * 255).max() < 2


def test_an_empty_square_cannot_be_cut() -> None:
    for side in (0.0, -1.0, float("nan"), float("inf")):
        with pytest.raises(ValueError, match="cannot cut"):
            cut(ramps(), Square(5, 5, side), 16)

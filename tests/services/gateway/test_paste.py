"""Repainted squares → back into the picture: only what the mask says, where the square stood, under the grain."""

from __future__ import annotations

import numpy as np
import pytest

from services.domain import RGB, Square
from services.gateway.paste import FEATHER, paste
from services.images import cut

SIDE = 128
SQUARES = [
    Square(200, 150, 128),
    Square(190.3, 140.7, 230.5, roll_deg=25),
    Square(30, 20, 160, roll_deg=60),
    Square(385, 290, 90),
    Square(200, 150, 37.2, roll_deg=170),
    Square(200, 150, 900, roll_deg=10),
]


def noise() -> RGB:
    return np.random.default_rng(0).integers(60, 180, (300, 400, 3), np.uint8)


def full() -> np.ndarray:  # type: ignore[type-arg]
    return np.full((SIDE, SIDE), 255, np.uint8)


@pytest.mark.parametrize("square", SQUARES)
def test_an_empty_mask_leaves_every_bit(square: Square) -> None:
    picture = noise()
    crop = cut(picture, square, SIDE)
    paste(picture, square, crop, 255 - crop, np.zeros((SIDE, SIDE), np.uint8))
    np.testing.assert_array_equal(picture, noise())


@pytest.mark.parametrize("square", SQUARES)
def test_an_unchanged_face_leaves_every_bit_whatever_the_mask_says(square: Square) -> None:
    picture = noise()
    crop = cut(picture, square, SIDE)
    paste(picture, square, crop, crop, full())
    np.testing.assert_array_equal(picture, noise())


def places(square: Square) -> np.ndarray:  # type: ignore[type-arg]
    """`[300, 400, 2]`: for each pixel's centre its x, y in the crop, in pixels."""
    y, x = np.mgrid[0:300, 0:400] + 0.5
    away = ((x - square.centre_x) + 1j * (y - square.centre_y)) * np.exp(-1j * np.radians(square.roll_deg))
    return np.stack([away.real, away.imag], -1) * (SIDE / square.side) + SIDE / 2


@pytest.mark.parametrize("square", SQUARES)
def test_a_change_lands_where_it_was_cut_out_and_nowhere_else(square: Square) -> None:
    """A lighter spot in one quarter of the crop; the picture changes in the same quarter of the square."""
    picture = noise()
    crop = cut(picture, square, SIDE)
    rendered, mask = crop.copy(), np.zeros((SIDE, SIDE), np.uint8)
    rendered[24:56, 72:104] += 60
    mask[24:56, 72:104] = 255
    paste(picture, square, crop, rendered, mask)
    change = (picture.astype(int) - noise())[..., 1]
    from_spot = np.abs(places(square) - (88, 40)).max(-1)  # its half side is 16
    pixel = max(1.0, SIDE / square.side)
    assert (change[from_spot > 16 + 1.5 * pixel] == 0).all()
    inside = change[from_spot < 16 - 2.5 * pixel]
    assert len(inside) > 4
    assert np.abs(inside - 60).max() <= 1


def test_the_pictures_own_grain_stays_under_the_change() -> None:
    picture, square = noise(), Square(200, 150, 256)
    crop = cut(picture, square, SIDE)
    paste(picture, square, crop, crop + 40, full())
    np.testing.assert_array_equal(picture[100:200, 150:250], noise()[100:200, 150:250] + 40)


def test_the_change_fades_to_nothing_at_the_border() -> None:
    picture, square = np.full((300, 400, 3), 100, np.uint8), Square(200, 150, 256)
    crop = cut(picture, square, SIDE)
    paste(picture, square, crop, crop + 100, full())
    line = picture[150, 72:328, 0].astype(int)
    width = int(256 * FEATHER)
    assert line[:2].max() <= 101
    assert line[-2:].max() <= 101
    assert (np.diff(line[: 2 * width]) >= 0).all()
    assert np.abs(np.diff(line)).max() <= 12
    assert (line[width + 4 : -width - 4] == 200).all()
    assert (picture[:20] == 100).all()


def test_colours_stop_at_white_and_black() -> None:
    picture, square = np.full((200, 200, 3), 250, np.uint8), Square(100, 100, 100)
    dark = np.full((SIDE, SIDE, 3), 100, np.uint8)
    paste(picture, square, dark, dark + 100, full())
    assert picture[100, 100, 0] == 255
    assert picture.min() == 250


def test_a_square_beside_the_picture_paints_nothing() -> None:
    picture = noise()
    crop = np.zeros((SIDE, SIDE, 3), np.uint8)
    paste(picture, Square(-500, 100, 100), crop, crop + 90, full())
    np.testing.assert_array_equal(picture, noise())

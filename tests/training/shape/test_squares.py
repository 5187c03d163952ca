"""Squares: the same pixels as the services cut, and points that go there and back."""

from __future__ import annotations

import numpy as np
import pytest

from training.shape.squares import SIDE, Square, around, cut, five_points, inner, to_picture, to_square

SQUARES = [
    Square(60.3, 40.7, 50.5),
    Square(60, 40, 20),
    Square(60, 40, 33.3, roll_deg=25),
    Square(10.5, 70.2, 300.0, roll_deg=-10),
    Square(60, 40, 112, roll_deg=3),
]


@pytest.mark.parametrize("square", SQUARES)
def test_a_cut_equals_what_the_services_cut(square: Square) -> None:
    images = pytest.importorskip("services.images")
    domain = pytest.importorskip("services.domain")
    y, x = np.mgrid[0:80, 0:120]
    picture = np.stack([128 + 100 * np.sin(x / 5), 128 + 100 * np.cos(y / 4), x + y], -1).astype(np.uint8)
    served = images.cut(picture, domain.Square(square.centre_x, square.centre_y, square.side, square.roll_deg), 28)
    assert np.abs(cut(picture, square, 28).astype(int) - served).max() <= 2


@pytest.mark.parametrize("square", SQUARES)
def test_points_go_into_a_square_and_back(square: Square) -> None:
    points = np.random.default_rng(0).uniform(0, 100, (68, 2)).astype(np.float32)
    np.testing.assert_allclose(to_picture(to_square(points, square), square), points, atol=1e-3)


def test_a_point_lies_in_the_crop_where_its_unit_says() -> None:
    picture = np.zeros((100, 100), np.uint8)
    picture[30, 70] = 255
    square = Square(55, 45, 64, roll_deg=20)
    crop = cut(picture, square, 256)
    row, column = np.unravel_index(crop.argmax(), crop.shape)
    where = to_square(np.array([[70.5, 30.5]], np.float32), square)[0] * 256
    assert np.hypot(column + 0.5 - where[0], row + 0.5 - where[1]) < 1.5


def test_the_square_around_a_box_levels_the_eyes() -> None:
    points = np.array([[40, 50], [60, 60], [50, 70], [45, 80], [55, 82]], np.float32)
    square = around(np.array([20, 20, 64, 81], np.float32), points)
    assert (square.centre_x, square.centre_y) == (52, 60.5)
    assert square.side == pytest.approx(SIDE * 72)
    assert square.roll_deg == pytest.approx(np.degrees(np.arctan2(10, 20)))
    right, left = to_square(points[:2], square)
    assert right[1] == pytest.approx(left[1], abs=1e-5)
    assert right[0] < left[0]


def test_a_profile_whose_eyes_coincide_is_not_turned() -> None:
    points = np.array([[50, 50], [51, 54], [60, 60], [55, 80], [55, 80]], np.float32)
    assert around(np.array([20, 20, 64, 81], np.float32), points).roll_deg == 0
    assert around(np.array([20, 20, 64, 81], np.float32)).roll_deg == 0


def test_a_frame_inside_a_turned_square_lies_where_both_say() -> None:
    square = Square(50, 40, 20, roll_deg=90)
    found = inner(square, np.array([1.0, 0.5, 0.5, -30.0], np.float32))
    assert found.roll_deg == 60
    assert found.side == 10
    assert (found.centre_x, found.centre_y) == (pytest.approx(50, abs=1e-4), pytest.approx(50, abs=1e-4))


def test_five_points_are_means_of_the_sixty_eight() -> None:
    points = np.arange(136, dtype=np.float32).reshape(68, 2)
    np.testing.assert_array_equal(five_points(points)[2:, 0], [60, 96, 108])
    assert five_points(points)[0, 0] == points[36:42, 0].mean()

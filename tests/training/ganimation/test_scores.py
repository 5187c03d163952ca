"""Scores on pictures and features whose answer is known."""

from __future__ import annotations

import numpy as np
import pytest

from training.ganimation import scores

RANDOM = np.random.default_rng(0)
FACES = RANDOM.integers(0, 256, (2, 32, 32, 3), np.uint8)


def test_a_picture_is_like_itself() -> None:
    np.testing.assert_allclose(scores.ssim(FACES, FACES), 1.0, atol=1e-12)
    assert (scores.psnr(FACES, FACES) == 100).all()
    assert not scores.gradients(FACES, FACES).any()


def test_flat_pictures_are_as_similar_as_the_formula_says() -> None:
    one, other = np.full((1, 16, 16, 3), 100, np.uint8), np.full((1, 16, 16, 3), 150, np.uint8)
    small = (0.01 * 255) ** 2
    assert scores.ssim(one, other)[0] == pytest.approx((2 * 100 * 150 + small) / (100**2 + 150**2 + small))
    assert scores.psnr(one, other)[0] == pytest.approx(20 * np.log10(255 / 50))
    assert scores.gradients(one, other)[0] == 0


def test_noise_and_an_inverted_picture_are_less_alike() -> None:
    smooth = np.tile(np.linspace(20, 230, 32).astype(np.uint8)[None, None, :, None], (1, 32, 1, 3))
    noisy = np.clip(smooth + RANDOM.normal(0, 10, smooth.shape), 0, 255).astype(np.uint8)
    assert 1 > scores.ssim(smooth, noisy)[0] > 0.2 > scores.ssim(smooth, 255 - smooth)[0]


def test_slopes_are_shares_of_what_was_wanted() -> None:
    wanted = RANDOM.normal(0, 1, (50, 3))
    wanted[:, 2] = 0.3
    found = wanted * (0.5, -2.0, 1.0) + (3.0, 0.0, 0.0)
    np.testing.assert_allclose(scores.slopes(found, wanted), [0.5, -2.0, np.nan], atol=1e-9)


def test_distances_of_sets_are_zero_for_equal_ones_and_grow_with_a_shift() -> None:
    features = RANDOM.normal(0, 1, (400, 4))
    assert scores.frechet(features, features) == pytest.approx(0, abs=1e-6)
    assert scores.frechet(features, features + 2) == pytest.approx(16, abs=1e-6)
    other = RANDOM.normal(0, 1, (400, 4))
    near, far = scores.kernel_distance(features, other), scores.kernel_distance(features, other + 1)
    assert abs(near) < 0.2 < 1 < far

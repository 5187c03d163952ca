"""Crops: landmarks move with the pixels, left and right change places in a mirror, wear says what it hides."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from training.clay.corpus import MIRROR, Corpus
from training.data.augment import Augmentation
from training.shape import crops
from training.shape.settings import Shape
from training.shape.wear import cover, scramble, wear

CPU = torch.device("cpu")
STILL = Augmentation(rotate_deg=0, stretch=0, flip=0, tone=0, sharpness=0, noise=0, erase=0)
FIXED = Shape(jitter_centre=0, jitter_smaller=1, jitter_larger=1, jitter_roll_deg=0, jitter_lost_roll=0, coarse=0)


@pytest.fixture(scope="module")
def table(drawn: Corpus) -> crops.Crops:
    return crops.load(drawn, crops.usable(drawn), 160, shown=False)


def dotted(table: crops.Crops, landmark: int) -> crops.Crops:
    """The same heads, but all that can be seen is a bright spot on one landmark."""
    faces = np.zeros_like(table.faces)
    y, x = np.mgrid[0:160, 0:160] + 0.5
    for face, points in zip(faces, table.landmarks, strict=True):
        where = ((points[landmark] - 0.5) / crops.REACH + 0.5) * 160
        face[...] = 255 * np.exp(-((x - where[0]) ** 2 + (y - where[1]) ** 2) / 18)
    return replace(table, faces=faces)


def centroid(luma_HW: torch.Tensor) -> torch.Tensor:
    at = (torch.arange(112) + 0.5) / 112
    share = luma_HW / luma_HW.sum()
    return torch.stack([(share.sum(0) * at).sum(), (share.sum(1) * at).sum()])


def test_scans_are_left_out(drawn: Corpus) -> None:
    assert len(drawn) == 60
    assert len(crops.usable(drawn)) == 58


def test_no_identity_is_on_both_sides(drawn: Corpus) -> None:
    train, validation = crops.split(drawn, 0.2)
    assert not set(drawn.identity[train]) & set(drawn.identity[validation])
    assert len(train) + len(validation) == 58
    assert len(crops.split(drawn, 0.2, rows=7)[0]) == 7
    with pytest.raises(ValueError, match="0 are for validation"):
        crops.split(drawn, 0.0)


def test_scenes_of_two_corpora_stay_apart(table: crops.Crops) -> None:
    both = crops.joined([table, table])
    assert len(both) == 2 * len(table)
    first, second = both.scene[: len(table)], both.scene[len(table) :]
    assert first.max() < second.min()
    np.testing.assert_array_equal(second - second[0], table.scene - table.scene[0])
    np.testing.assert_array_equal(both.landmarks[len(table) :], table.landmarks)


@pytest.mark.parametrize("flip", [0.0, 1.0])
def test_landmarks_move_with_the_pixels(table: crops.Crops, flip: float) -> None:
    rows = np.arange(24)
    how, looks = Shape(jitter_lost_roll=0.5), replace(Augmentation(rotate_deg=12, stretch=0.1), flip=flip)
    where = crops.moves(table, rows, how, looks, torch.Generator().manual_seed(1))
    batch = crops.take(dotted(table, 30), rows, where, 112, CPU)
    for luma, points in zip(batch.luma[:, 0], batch.landmarks, strict=True):
        assert float((centroid(luma) - points[30]).norm()) * 112 < 0.5


def test_a_mirror_image_swaps_left_and_right(table: crops.Crops) -> None:
    rows = np.arange(6)
    generator = torch.Generator().manual_seed(0)
    straight = crops.take(table, rows, crops.moves(table, rows, FIXED, STILL, generator), 112, CPU)
    flipped = crops.take(table, rows, crops.moves(table, rows, FIXED, replace(STILL, flip=1.0), generator), 112, CPU)
    torch.testing.assert_close(flipped.luma, straight.luma.flip(3), atol=0.1, rtol=0)
    expected = straight.landmarks[:, torch.from_numpy(MIRROR)] * torch.tensor([-1, 1]) + torch.tensor([1, 0])
    torch.testing.assert_close(flipped.landmarks, expected)
    torch.testing.assert_close(straight.landmarks, torch.from_numpy(table.landmarks[rows]), atol=1e-5, rtol=0)


def test_a_lost_roll_leaves_the_square_upright_in_the_picture(table: crops.Crops, drawn: Corpus) -> None:
    rows = np.arange(10)
    lost = crops.moves(table, rows, replace(FIXED, jitter_lost_roll=1.0), STILL, torch.Generator().manual_seed(0))
    found = crops.take(table, rows, lost, 112, CPU).landmarks.numpy()
    real = drawn.landmarks[rows]
    between, wanted = found[:, 45] - found[:, 36], real[:, 45] - real[:, 36]
    np.testing.assert_allclose(
        np.arctan2(between[:, 1], between[:, 0]), np.arctan2(wanted[:, 1], wanted[:, 0]), atol=1e-3
    )


def batch_of(table: crops.Crops, count: int = 8) -> crops.Batch:
    rows = np.arange(count)
    where = crops.moves(table, rows, FIXED, STILL, torch.Generator().manual_seed(0))
    return crops.take(table, rows, where, 112, CPU)


def test_what_is_covered_is_no_longer_visible(table: crops.Crops) -> None:
    batch = batch_of(table)
    covered = cover(batch, 1.0, 0.3, torch.Generator().manual_seed(3))
    lost = (batch.visible > 0) & (covered.visible == 0)
    assert lost.any(1).sum() >= 4
    for row, landmark in lost.nonzero().tolist():
        x, y = (batch.landmarks[row, landmark] * 112).long().clamp(0, 111).tolist()
        around = covered.luma[row, 0, max(y - 1, 0) : y + 2, max(x - 1, 0) : x + 2]
        assert (around == covered.luma[row, 0, y, x]).sum() >= 4


def test_nonsense_has_no_landmarks_and_keeps_its_pixels(table: crops.Crops) -> None:
    batch = batch_of(table)
    worn = scramble(batch, 0.25, torch.Generator().manual_seed(0))
    assert torch.isnan(worn.landmarks[-2:]).all()
    assert torch.isnan(worn.units[-2:]).all()
    assert not worn.visible[-2:].any()
    assert not torch.isnan(worn.landmarks[:-2]).any()
    assert not torch.equal(worn.luma[-1], batch.luma[-1])
    torch.testing.assert_close(worn.luma[-1].flatten().sort()[0], batch.luma[-1].flatten().sort()[0])


def test_wear_depends_on_the_seed_alone(table: crops.Crops) -> None:
    batch = batch_of(table)
    once, again, other = (wear(batch, Shape(), Augmentation(), torch.Generator().manual_seed(s)) for s in (1, 1, 2))
    assert torch.equal(once.luma, again.luma)
    assert not torch.equal(once.luma, other.luma)
    assert once.luma.shape == batch.luma.shape

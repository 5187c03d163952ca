"""Faces in memory and batches: pairs are of one scene and lie alike, no head is on both sides."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from training.clay.corpus import Corpus
from training.config import Config
from training.ganimation import people, pieces
from training.ganimation.batches import draw
from training.ganimation.pieces import CACHE_PX, FACE_PX, MARGIN_PX, Pieces
from training.shape import align

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def statues(drawn: Corpus) -> Pieces:
    return pieces.load(drawn, pieces.usable_pairs(drawn), size_jitter=0.1, shown=False)


def test_scans_and_lone_pictures_are_left_out(drawn: Corpus) -> None:
    rows = pieces.usable_pairs(drawn)
    assert len(rows) == 27
    assert len(pieces.paired(drawn, rows[:4])) == 3


def test_no_identity_is_on_both_sides(drawn: Corpus) -> None:
    train, validation = pieces.split(drawn, 0.3)
    assert not set(drawn.identity[train]) & set(drawn.identity[validation])
    assert len(train) + len(validation) == 27
    assert len(pieces.split(drawn, 0.3, images=7)[0]) == 6
    with pytest.raises(ValueError, match="0 are for validation"):
        pieces.split(drawn, 0.0)


def test_partners_are_other_pictures_of_the_same_scene(statues: Pieces) -> None:
    for seed in range(5):
        mates = pieces.partners(statues.scene, np.random.default_rng(seed))
        assert (statues.scene[mates] == statues.scene).all()
        assert (mates != np.arange(len(statues))).all()


def test_all_pictures_of_a_scene_are_cut_alike(drawn: Corpus, statues: Pieces) -> None:
    # Only the lower chin, brows, eyes and mouth are drawn anew: the forehead's outline stays where it is.
    for scene in np.unique(statues.scene):
        tops = statues.faces[statues.scene == scene][:, :20].astype(int)
        assert np.abs(tops - tops[0]).max() < 60
    boxes = drawn.box[:3]
    assert np.ptp(boxes[:, 3]) > 2  # though their boxes differ


def test_a_taken_square_is_moved_by_whole_pixels_and_mirrored() -> None:
    face = np.random.default_rng(0).integers(0, 256, (1, CACHE_PX, CACHE_PX, 3), np.uint8)
    still = pieces.take(face, np.array([[MARGIN_PX, MARGIN_PX, 0]]), CPU)
    assert np.array_equal(still[0].permute(1, 2, 0).numpy(), pieces.middles(face)[0])
    moved = pieces.take(face, np.array([[0, 16, 1]]), CPU)[0].permute(1, 2, 0).numpy()
    assert np.array_equal(moved[:, ::-1], face[0, :FACE_PX, 16:])
    grey = pieces.take(face[..., 0], np.array([[3, 4, 0]]), CPU)
    assert grey.shape == (1, 3, FACE_PX, FACE_PX)


def test_a_batch_holds_pairs_and_people_and_is_a_function_of_its_seed(statues: Pieces) -> None:
    crowd = replace(statues, faces=statues.faces[..., 0])
    rows, people_rows = np.array([0, 4, 8]), np.array([1, 2])
    batch = draw(statues, crowd, rows, people_rows, 0.5, (1, 2), CPU)
    again = draw(statues, crowd, rows, people_rows, 0.5, (1, 2), CPU)
    other = draw(statues, crowd, rows, people_rows, 0.5, (1, 3), CPU)
    assert torch.equal(batch.faces, again.faces)
    assert torch.equal(batch.target, again.target)
    assert not torch.equal(batch.faces, other.faces)
    assert (len(batch.faces), len(batch.truths), len(batch.reals)) == (5, 3, 5)
    assert torch.equal(batch.source[:3], torch.from_numpy(statues.units[rows]))
    for at, row in enumerate(rows):
        same = statues.units[statues.scene == statues.scene[row]]
        assert (torch.from_numpy(same) == batch.target[at]).all(1).any()
    assert torch.equal(batch.real_change[:3], batch.change[:3])
    assert torch.equal(batch.reals[3:], batch.faces[3:])
    assert not torch.equal(batch.real_change[3:], batch.change[3:])


def test_the_published_batch_has_no_truths_and_targets_in_range(statues: Pieces) -> None:
    batch = draw(statues, None, np.arange(6), np.arange(0), 0.0, (1,), CPU, pairs=False)
    assert len(batch.truths) == 0
    assert torch.equal(batch.reals, batch.faces)
    assert 0 <= batch.target.min() <= batch.target.max() <= 1


def test_people_are_measured_once(config: Config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(align, "MIN_QUALITY", 0.0)  # drawn faces of 48 px are hardly faces
    first = people.read(config.generation, tmp_path, True)
    assert first.faces.shape == (4, CACHE_PX, CACHE_PX)
    assert len(set(first.scene)) == 4
    assert first.expression.tolist() == ["neutral", "neutral", "happiness", "happiness"]
    assert len(list(tmp_path.glob("people_*.npz"))) == 1
    monkeypatch.setattr(people, "measured", lambda *_: pytest.fail("measured again"))
    assert np.array_equal(people.read(config.generation, tmp_path, True).units, first.units)


def test_people_whose_landmarks_cannot_be_trusted_are_left_out(
    config: Config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(align, "MIN_QUALITY", 1.1)
    with pytest.raises(ValueError, match="no face has units that can be trusted"):
        people.read(config.generation, tmp_path, True)


def test_a_folder_of_pictures_takes_its_units_from_openface(config: Config, tmp_path: Path) -> None:
    from tests.training.test_openface import write

    write(tmp_path / "units" / "anna.csv", ["confidence"], [[0.9, *([2.5] * 17)]])
    how = replace(config.generation, people=str(tmp_path), people_units=str(tmp_path / "units"))
    with pytest.raises(FileNotFoundError, match=r"no picture .*anna.jpg"):
        people.read(how, tmp_path, True)
    red = np.zeros((200, 200, 3), np.uint8)
    red[..., 2] = 200  # OpenCV writes blue, green, red
    cv2.imwrite(str(tmp_path / "anna.png"), red)
    found = people.read(how, tmp_path, True)
    assert pieces.middles(found.faces)[0, 64, 64].tolist() == [200, 0, 0]
    assert (found.units == 0.5).all()

"""Canvases: the same seed gives the same canvas, faces are where it says, and each missing source is left out."""

from __future__ import annotations

import json
import logging
from pathlib import Path

import cv2
import numpy as np
import pytest

from tests.training.fcos import tiny_corpus
from training.fcos import camera, cutouts
from training.fcos.composition import FACE, SILENT, compose
from training.fcos.cutouts import UNKNOWN, Cutout, Photo, Pieces
from training.fcos.scenes import Scenes

NOWHERE = {"faces": "", "backgrounds": "", "teacher": "", "photos": ()}


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_corpus.write(tmp_path_factory.mktemp("corpus"), 40)


def test_one_seed_gives_one_canvas_and_another_another(corpus: Path) -> None:
    how = Scenes(corpora=(str(corpus),), **NOWHERE)
    pieces, _ = cutouts.read(how, quiet=True)
    for at in range(8):
        one, again, other = (compose(pieces, how, (0, seed)) for seed in (at, at, at + 100))
        assert (one.luma == again.luma).all()
        assert (one.boxes == again.boxes).all()
        assert (one.luma != other.luma).any()


def test_a_pasted_face_lies_under_its_box_and_its_points(corpus: Path) -> None:
    white = np.zeros((64, 64), np.uint8)
    white[16:48, 20:44] = 255
    points = np.array([[22, 18], [42, 18], [32, 32], [22, 46], [42, 46]], np.float32)
    face = Cutout(white, np.full((64, 64), 255, np.uint8), np.array([20, 16, 44, 48], np.float32), points)
    for flip in (False, True):
        canvas = np.zeros((200, 200), np.uint8)
        matrix = camera.similarity(2.5, 0.0, flip, (32, 32), (90, 110))
        camera.blend(canvas, face.luma, face.alpha, matrix)
        ys, xs = np.nonzero(canvas > 127)
        drawn = [xs.min(), ys.min(), xs.max() + 1, ys.max() + 1]
        assert np.abs(camera.moved_box(face.box, matrix) - drawn).max() <= 1
        moved = camera.moved_points(points, matrix, flip)
        assert moved[0, 0] < moved[1, 0], "the person's right eye stays on the picture's left"


def test_heads_of_several_corpora_lie_beside_each_other(corpus: Path, tmp_path: Path) -> None:
    second = tiny_corpus.write(tmp_path, 8)
    sides = cutouts.read(Scenes(corpora=(str(corpus), str(second)), **NOWHERE), quiet=True)
    assert sum(len(side.heads) for side in sides) == 48


def test_identities_are_on_one_side_only(corpus: Path) -> None:
    heads = cutouts.read_heads(corpus, Scenes(), quiet=True)
    assert len(heads[0]) + len(heads[1]) == 40
    assert len(heads[1]) % 2 == 0  # each identity has two pictures


def test_a_scan_without_landmarks_has_a_box_and_no_points(corpus: Path) -> None:
    heads = cutouts.read_heads(corpus, Scenes(), quiet=True)
    unknown = [head for side in heads for head in side if not np.isfinite(head.points).any()]
    assert len(unknown) == 4
    assert all(np.isfinite(head.box).all() for head in unknown)


def test_the_five_points_are_taken_from_the_68() -> None:
    landmarks = np.arange(136, dtype=np.float32).reshape(68, 2)
    assert cutouts.five_points(landmarks)[:, 0].tolist() == [77.0, 89.0, 60.0, 96.0, 108.0]


def test_a_missing_source_is_left_out_with_one_sentence(corpus: Path, caplog: pytest.LogCaptureFixture) -> None:
    how = Scenes(corpora=(str(corpus),), faces="/nowhere/ferplus", backgrounds="", teacher="")
    with caplog.at_level(logging.WARNING):
        pieces, _ = cutouts.read(how, quiet=True)
    assert pieces.heads
    assert not pieces.people
    assert [record.message.startswith("scenes.faces is left out: ") for record in caplog.records] == [True]


def test_without_any_face_it_says_what_to_name() -> None:
    with pytest.raises(FileNotFoundError, match="name a rendered corpus"):
        cutouts.read(Scenes(**NOWHERE), quiet=True)


def test_every_fifth_photo_is_held_out_and_unsure_faces_say_nothing(tmp_path: Path) -> None:
    for number in range(10):
        cv2.imwrite(str(tmp_path / f"{number}.png"), np.full((60, 80, 3), 20 * number, np.uint8))
    listing = {"0.png": [[10, 10, 20, 25, 0.95]], "4.png": [[10, 10, 20, 25, 0.9]], "5.png": [[10, 10, 20, 25, 0.65]]}
    (tmp_path / "yunet_faces.json").write_text(json.dumps(listing))
    how = Scenes(**{**NOWHERE, "backgrounds": str(tmp_path)}, photo=1.0)
    mine, held_out = cutouts.read(how, quiet=True)
    assert {photo.name for photo in (*held_out.peopled, *held_out.scenes)} == {"4.png", "9.png"}
    assert [photo.name for photo in mine.peopled] == ["0.png", "5.png"]
    unsure = Pieces((), (), [mine.peopled[1]], ())
    kinds = np.concatenate([compose(unsure, how, (at,)).kinds for at in range(12)])
    assert len(kinds)
    assert (kinds == SILENT).all()


def test_a_face_that_is_mostly_outside_is_not_taught() -> None:
    photo = Photo("x", np.full((400, 400), 90, np.uint8), np.array([[0, 0, 200, 200]], np.float32),
                  UNKNOWN[None], np.array([0.9], np.float32))  # fmt: skip
    how = Scenes(photo=1.0)
    pieces = Pieces((), (), [photo], ())
    canvases = [compose(pieces, how, (at,)) for at in range(40)]
    for canvas in canvases:
        for box, kind in zip(canvas.boxes, canvas.kinds, strict=True):
            inside = np.clip(box, 0, how.side_px)
            share = (inside[2] - inside[0]) * (inside[3] - inside[1]) / ((box[2] - box[0]) * (box[3] - box[1]))
            assert (kind == FACE) <= (share >= 0.5)


def test_a_framed_face_keeps_its_face_and_loses_what_is_around_it() -> None:
    rng = np.random.default_rng(0)
    luma = np.full((120, 120), 250, np.uint8)
    cv2.ellipse(luma, (60, 60), (20, 25), 0, 0, 360, 10, -1)
    box = np.array([40, 35, 80, 85], np.float32)
    head = Cutout(luma, np.full_like(luma, 255), box, UNKNOWN)
    texture = Photo("x", np.clip(rng.normal(128, 2, (300, 300)), 0, 255).astype(np.uint8), *_no_faces())
    plain = {"smallest_px": 60.0, "largest_px": 80.0, "most": 1, "photo": 0.0, "empty": 0.0, "person": 0.0}
    pieces = Pieces([head], (), (), [texture])
    bright = {}
    for framed in (0.0, 1.0):
        how = Scenes(side_px=160, whole=0.0, framed=framed, **plain)
        canvases = [compose(pieces, how, (1, seed)) for seed in range(12)]
        assert all((canvas.kinds == FACE).any() for canvas in canvases)
        bright[framed] = float(np.mean([(canvas.luma > 200).mean() for canvas in canvases]))
    assert bright[1.0] < 0.5 * bright[0.0]


def test_parts_of_a_photo_beside_its_faces_are_shown_without_one() -> None:
    luma = np.full((400, 400), 90, np.uint8)
    photo = Photo("x", luma, np.array([[10, 10, 60, 60]], np.float32), UNKNOWN[None], np.array([0.9], np.float32))
    pieces = Pieces((), (), [photo], ())
    without = [not len(compose(pieces, Scenes(photo=1.0), (2, seed)).kinds) for seed in range(60)]
    assert 0.08 < np.mean(without) < 0.5


def _no_faces() -> tuple[np.ndarray, np.ndarray, np.ndarray]:  # type: ignore[type-arg]
    return np.zeros((0, 4), np.float32), np.zeros((0, 5, 2), np.float32), np.zeros(0, np.float32)

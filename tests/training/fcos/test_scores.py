"""Finding and scoring: tiles cover a picture, a face is reported once, and precision is what the rules say."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from training.config import from_dict
from training.fcos import finding, method, tables
from training.fcos.evaluate import Album, measure
from training.fcos.scores import judge

NONE = np.zeros((0, 4))


def bright(images: np.ndarray) -> dict[str, np.ndarray]:
    """A detector of white squares, for canvases."""
    boxes, scores = np.zeros((len(images), 200, 4), np.float32), np.zeros((len(images), 200), np.float32)
    for row, image in enumerate(images):
        ys, xs = np.nonzero(image[..., 0] > 200)
        if len(xs):
            left, top = xs.min(), ys.min()
            boxes[row, 0] = left, top, xs.max() + 1 - left, ys.max() + 1 - top
            scores[row, 0] = 0.9
    return {"boxes": boxes, "scores": scores, "points": np.zeros((len(images), 200, 5, 2), np.float32)}


@pytest.mark.parametrize("size", [(100, 150), (480, 640), (1000, 1300), (1, 700), (900, 40)])
def test_a_square_anywhere_is_found_once_and_in_its_place(size: tuple[int, int]) -> None:
    height, width = size
    picture = np.full((height, width, 3), 30, np.uint8)
    side = min(60, height, width)
    left, top = (width - side) * 2 // 3, (height - side) // 2
    picture[top : top + side, left : left + side] = 255
    found = finding.find(bright, picture)
    assert len(found) == 1
    assert np.abs(found[0, :4] - [left, top, side, side]).max() <= max(height, width) / 320 + 1


def test_a_perfect_finder_has_precision_one_and_a_second_find_of_a_face_is_false() -> None:
    true = [np.array([[10.0, 10, 20, 20]]), NONE]
    once = [np.array([[10.0, 10, 20, 20, 0.9]]), np.zeros((0, 5))]
    twice = [np.array([[10.0, 10, 20, 20, 0.9], [11, 10, 20, 20, 0.8]]), np.zeros((0, 5))]
    assert judge(once, true, [NONE, NONE]).average_precision() == 1
    assert judge(twice, true, [NONE, NONE]).false_per_picture(0.5) == 0.5
    assert judge(twice, true, [NONE, NONE]).recall(0.95) == 0


def test_a_surer_false_find_halves_the_precision() -> None:
    found = [np.array([[10.0, 10, 20, 20, 0.5], [60, 60, 20, 20, 0.9]])]
    assert judge(found, [np.array([[10.0, 10, 20, 20]])], [NONE]).average_precision() == 0.5


def test_what_falls_on_a_region_that_says_nothing_is_neither_right_nor_wrong() -> None:
    found, region = [np.array([[10.0, 10, 20, 20, 0.9]])], [np.array([[10.0, 10, 20, 20]])]
    judged = judge(found, [NONE], region)
    assert len(judged.scores) == 0
    assert judged.average_precision() is None
    assert judged.recall(0.5) is None


def test_the_table_has_a_row_for_each_finder_and_album() -> None:
    album = Album("squares", (np.zeros((40, 40, 3), np.uint8),), (np.array([[5.0, 5, 10, 10, 0.95]]),))
    score = measure(album, "blind", lambda _: np.zeros((0, 5)), 0.5)
    assert (score.recall, score.average_precision, score.false_per_picture) == (0.0, 0.0, 0.0)
    assert tables.markdown([score]).splitlines()[2].startswith("| squares (1) | 1 | blind | 0.5 | 0.0 | 0.000 |")


def test_the_report_puts_ours_beside_the_cascade(tmp_path: Path) -> None:
    photos = tmp_path / "statue_photos"
    photos.mkdir()
    picture = np.full((200, 200, 3), 30, np.uint8)
    picture[50:90, 60:100] = 255
    cv2.imwrite(str(photos / "one.png"), picture)
    cv2.imwrite(str(photos / "none.png"), np.full((200, 200, 3), 30, np.uint8))
    (photos / "yunet_faces.json").write_text(json.dumps({"one.png": [[60, 50, 40, 40, 0.9]]}))
    nothing = {"teacher": "", "backgrounds": "", "landmarker": ""}
    config = from_dict({"name": "tiny", "scenes": {**nothing, "photos": [str(photos)]}})
    scores, sheet = method.compare(config, bright)
    assert [(score.finder, score.album, score.faces, score.recall) for score in scores] == [
        ("mien", "statue photos", 1, 1.0),
        ("cascade alt2", "statue photos", 1, 0.0),
    ]
    assert sheet is not None
    page = tables.write(tmp_path / "run", "tiny", "a test", scores)
    assert "statue photos (2)" in page.read_text()


def test_a_doubtful_find_stays_only_if_the_landmarker_sees_a_face() -> None:
    image = np.zeros((100, 100, 3), np.uint8)
    image[:, 50:] = 200
    rows = np.zeros((3, 15))
    rows[:, :4] = [[5, 30, 30, 40], [65, 30, 30, 40], [5, 30, 30, 40]]
    rows[:, 4:14] = np.tile((rows[:, None, :2] + [[8, 12], [22, 12], [15, 20], [10, 30], [20, 30]]), 1).reshape(3, 10)
    rows[:, 14] = [0.6, 0.6, 0.9]
    asked = []

    def landmarker(crops: np.ndarray) -> dict[str, np.ndarray]:  # type: ignore[type-arg]
        asked.append(crops.shape)
        return {"quality": (crops.mean((1, 2, 3)) > 100).astype(np.float32)[:, None]}

    kept = finding.confirmed(rows, image, landmarker)
    assert asked == [(3, 112, 112, 3)]
    assert (kept[:, 14] >= finding.MIN_SCORE).tolist() == [False, True, True], "a sure one needs nobody's word"
    rows[:, 14] = 0.3
    assert (finding.confirmed(rows, image, landmarker)[:, 14] < finding.MIN_SCORE).all()

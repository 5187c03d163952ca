"""68 landmarks, action units and upright crops inside detection's answer, with a tiny landmarker."""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import numpy as np
import pytest

from services.chassis.threads import Threads
from services.detection.boxes import Framing
from services.detection.cascade import CascadeFinder
from services.detection.detector import FaceDetector, Finder
from services.detection.finders import FinderSearch
from services.detection.landmarker import FaceLandmarker, eye_line_deg, seen_around, to_picture
from services.detection.network import FRAMING, NetworkSearch
from services.domain import ACTION_UNITS, Box, Face, Square
from services.images import cut
from services.inference.embedded import EmbeddedBackend
from services.inference.repository import RepositoryError
from tests.services.detection.test_detector import png
from tests.services.detection.toy_models import (
    FRAME_ROLL_DEG,
    FRAME_SIDE,
    POINTS,
    SHAPE,
    UNITS,
    painted,
    write_detector,
    write_landmarker,
)
from tests.services.inference.observers import Ledger


@asynccontextmanager
async def reading(
    repository: Path,
    finder_factory: Callable[[], Finder] | None = None,
    ledger: Ledger | None = None,
    delay_us: int = 0,
) -> AsyncIterator[FaceDetector]:
    """A detector with the toy landmarker, and with the toy network where no finder is named."""
    write_landmarker(repository, delay_us=delay_us)
    if finder_factory is None:
        write_detector(repository)
    backend = EmbeddedBackend(repository, ledger or Ledger())
    await backend.start()
    threads = Threads(2)
    search = (
        FinderSearch(finder_factory, threads) if finder_factory else NetworkSearch(backend, threads, second_look=True)
    )
    detector = FaceDetector(search, threads, landmarker=FaceLandmarker(backend, threads))
    await detector.warm()
    try:
        yield detector
    finally:
        detector.close()
        await backend.close()


class Leaning:
    """A finder of one face, a square of 80 px, that leans by `roll_deg`."""

    def __init__(self, roll_deg: float) -> None:
        roll = math.radians(roll_deg)
        turn = np.array([[math.cos(roll), math.sin(roll)], [-math.sin(roll), math.cos(roll)]])
        points = (POINTS - 0.5) * 80 @ turn + [160, 120]
        self.face = Face(Box(120, 80, 80, 80), 0.9, tuple((float(x), float(y)) for x, y in points))

    def find(self, image: object) -> list[Face]:
        return [self.face]

    def frame(self, face: Face) -> Square:
        return FRAMING.square(face.box)


async def test_a_found_face_gets_68_landmarks_and_17_action_units(tmp_path: Path) -> None:
    async with reading(tmp_path) as detector:
        found = await detector.detect(png(painted(320, 240, ("red", 100, 80, 80))))
    (face,) = found.faces
    assert face.box == Box(100, 80, 80, 80)
    # the model saw a square of 120 px around (140, 120), in whose middle the bright part stands
    np.testing.assert_allclose(face.landmarks, SHAPE * 120 + [140, 120], atol=0.2)
    assert list(face.action_units) == list(ACTION_UNITS)
    np.testing.assert_allclose(list(face.action_units.values()), UNITS, atol=1e-6)


@pytest.mark.parametrize("roll_deg", [-35.0, 0.0, 20.0])
async def test_landmarks_of_a_leaning_face_come_back_turned(tmp_path: Path, roll_deg: float) -> None:
    async with reading(tmp_path, lambda: Leaning(roll_deg)) as detector:
        found = await detector.detect(png(painted(320, 240, ("blue", 145, 105, 30))))
    roll = math.radians(roll_deg)
    x, y = SHAPE[:, 0] * 120, SHAPE[:, 1] * 120
    expected = np.stack(
        [math.cos(roll) * x - math.sin(roll) * y + 160, math.sin(roll) * x + math.cos(roll) * y + 120], 1
    )
    np.testing.assert_allclose(found.faces[0].landmarks, expected, atol=0.3)


async def test_the_crop_is_the_models_frame(tmp_path: Path) -> None:
    picture = painted(320, 240, ("blue", 150, 90, 36), ground=20)
    picture[60:180, 100:220, 0] = np.linspace(0, 190, 120).astype(np.uint8)[:, None] // 2  # something to see
    async with reading(tmp_path, lambda: Leaning(15.0)) as detector:
        found = await detector.detect(png(picture), crop_px=64)
    centre = np.mean(np.array(found.faces[0].landmarks), 0)  # the toy's shape is not quite centred
    turn = math.radians(15)
    offset = SHAPE.mean(0) * 120
    centre -= [
        math.cos(turn) * offset[0] - math.sin(turn) * offset[1],
        math.sin(turn) * offset[0] + math.cos(turn) * offset[1],
    ]
    square = Square(float(centre[0]), float(centre[1]), float(FRAME_SIDE) * 120, 15.0 + float(FRAME_ROLL_DEG))
    difference = np.abs(found.crops[0].astype(int) - cut(picture, square, 64))
    assert difference.max() <= 2
    assert np.abs(found.crops[0].astype(int) - cut(picture, FRAMING.square(Leaning(0).face.box), 64)).max() > 50


async def test_where_landmarks_cannot_be_trusted_the_detectors_word_stays(tmp_path: Path) -> None:
    picture = painted(400, 300, ("green", 40, 60, 90), ("red", 220, 60, 90))
    async with reading(tmp_path) as detector:
        found = await detector.detect(png(picture), crop_px=64)
    green, red = found.faces
    np.testing.assert_allclose(green.landmarks, POINTS * 90 + [40, 60], atol=2)
    assert green.action_units == {}
    np.testing.assert_array_equal(found.crops[0], cut(picture, FRAMING.square(green.box), 64))
    assert len(red.landmarks) == 68
    assert len(red.action_units) == 17


async def test_a_doubtful_find_in_which_the_landmarker_sees_no_face_is_dropped(tmp_path: Path) -> None:
    hollow, corners = (
        (slice(75, 135), slice(55, 112)),
        ((40, 60), (220, 60)),
    )  # leaves .58 of the square, the toy's score
    for other, kept in (("blue", 2), ("green", 1)):
        picture = painted(400, 300, (other, *corners[0], 90), ("red", *corners[1], 90), ground=20)
        picture[hollow] = 20
        async with reading(tmp_path / other) as detector:
            found = await detector.detect(png(picture), crop_px=32)
        assert len(found.faces) == len(found.crops) == kept
        assert found.faces[-1].score == pytest.approx(1.0)
        if kept == 2:
            assert found.faces[0].score == pytest.approx(0.58, abs=0.01)


async def test_a_whole_picture_gets_landmarks_too_and_its_crop_stays_the_whole_picture(tmp_path: Path) -> None:
    picture = painted(90, 90, ("blue", 30, 30, 30))
    async with reading(tmp_path) as detector:
        found = await detector.detect(png(picture), whole_picture=True, crop_px=90)
    (face,) = found.faces
    assert (face.box, face.score, len(face.action_units)) == (Box(0, 0, 90, 90), 1.0, 17)
    side = 90 / FRAMING.scale * 1.5
    np.testing.assert_allclose(face.landmarks, SHAPE * side + 45, atol=0.3)
    np.testing.assert_array_equal(found.crops[0], picture)


async def test_the_cascades_faces_get_landmarks_too(tmp_path: Path, photo: bytes) -> None:
    async with reading(tmp_path, CascadeFinder) as detector:
        found = await detector.detect(photo, crop_px=112)
    (face,) = found.faces
    assert len(face.landmarks) == 68
    assert found.crops.shape == (1, 112, 112, 3)


async def test_all_faces_of_all_callers_share_batches(tmp_path: Path) -> None:
    ledger = Ledger()
    picture = png(painted(320, 240, ("red", 20, 30, 60), ("blue", 200, 100, 60)))
    async with reading(tmp_path, ledger=ledger, delay_us=400_000) as detector:
        ledger.batches.clear()
        found = await asyncio.gather(*(detector.detect(picture) for _ in range(3)))
    assert [len(each.faces) for each in found] == [2, 2, 2]
    assert 6 in [rows for rows, _ in ledger.batches]


async def test_sixteen_at_once_get_the_very_landmarks_of_one_at_a_time(tmp_path: Path) -> None:
    pictures = [
        png(painted(300 + 30 * n, 260, ("red", 10 * n, 40, 50 + n), ("blue", 200, 20 + n, 60))) for n in range(16)
    ]
    async with reading(tmp_path) as detector:
        alone = [await detector.detect(picture, crop_px=32) for picture in pictures]
        together = await asyncio.gather(*(detector.detect(picture, crop_px=32) for picture in pictures))
    assert all(len(face.landmarks) == 68 for each in alone for face in each.faces)
    for one, other in zip(alone, together, strict=True):
        assert one.faces == other.faces
        np.testing.assert_array_equal(one.crops, other.crops)


@pytest.mark.parametrize("roll_deg", [-20.0, 0.0, 35.0])
async def test_a_read_face_has_the_square_that_was_read_with_its_eyes_level(tmp_path: Path, roll_deg: float) -> None:
    async with reading(tmp_path, lambda: Leaning(roll_deg)) as detector:
        found = await detector.detect(png(painted(320, 240, ("blue", 145, 105, 30))))
    (face,) = found.faces
    assert face.square is not None
    assert (face.square.centre_x, face.square.centre_y, face.square.side) == pytest.approx((160, 120, 120))
    assert face.square.roll_deg == pytest.approx(roll_deg)  # the toy's 68 points have eyes too close to tell


async def test_a_face_that_cannot_be_trusted_has_no_square(tmp_path: Path) -> None:
    async with reading(tmp_path) as detector:
        (face,) = (await detector.detect(png(painted(320, 240, ("green", 100, 80, 80))))).faces
    assert face.square is None
    assert not face.action_units


async def test_an_entry_that_is_missing_is_one_sentence_at_the_start(tmp_path: Path) -> None:
    write_detector(tmp_path)
    backend = EmbeddedBackend(tmp_path, Ledger())
    await backend.start()
    with pytest.raises(RepositoryError, match="no face_landmarker"):
        FaceLandmarker(backend, Threads(1)).check()
    await backend.close()


def test_the_model_sees_one_and_a_half_boxes_around_the_boxs_centre() -> None:
    seen = seen_around(FRAMING.square(Box(10, 20, 40, 90)), 12.0)
    assert (seen.centre_x, seen.centre_y, seen.side) == pytest.approx((30, 65, 90))
    assert seen.roll_deg == 12.0
    # of another finder's box, the same as of the frame that both mean
    assert seen_around(Framing(1.0).square(Box(0, 0, 111, 111)), 0.0).side == pytest.approx(150)


def test_the_eye_line_is_level_where_nothing_is_known() -> None:
    assert eye_line_deg(Face(Box(0, 0, 9, 9), 1.0)) == 0
    assert eye_line_deg(Leaning(30).face) == pytest.approx(30)
    points = np.full((68, 2), 60.0)
    points[36:42], points[42:48] = [30, 45], [70, 85]
    read = Face(Box(0, 0, 100, 100), 1.0, tuple((float(x), float(y)) for x, y in points))
    assert eye_line_deg(read) == pytest.approx(45)
    profile = Face(Box(0, 0, 100, 100), 1.0, ((40.0, 40.0), (45.0, 48.0), *[(50.0, 60.0)] * 3))
    assert eye_line_deg(profile) == 0
    assert eye_line_deg(profile, 12.5) == 12.5


def test_a_point_of_a_crop_comes_back_to_the_pixel_that_it_shows() -> None:
    picture = np.zeros((200, 300, 3), np.uint8)
    picture[120:124, 180:184] = 255
    square = Square(170, 110, 80, roll_deg=27)
    y, x = np.argwhere(cut(picture, square, 160)[..., 0] > 127).mean(0) + 0.5
    np.testing.assert_allclose(to_picture(square, np.array([x, y]) / 160), (182, 122), atol=0.3)

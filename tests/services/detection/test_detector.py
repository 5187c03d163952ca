"""A photo's bytes → faces and crops: what is found, in what order, by how many threads, what a cancellation saves."""

from __future__ import annotations

import asyncio
import io
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from services.chassis.threads import Threads
from services.detection.boxes import Framing
from services.detection.cascade import CascadeFinder
from services.detection.detector import FaceDetector, Finder
from services.detection.finders import FinderSearch
from services.detection.yunet import YuNetFinder
from services.domain import RGB, Box, Detector, Face, Square
from services.errors import Kind, MienError
from services.images import ImageLimits, cut
from tests.services.detection.faces import drawn_face, scene

YUNET = Path(__file__).parents[4] / "shared/data/yunet/face_detection_yunet_2023mar.onnx"


def png(image: RGB) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(image).save(stream, "PNG")
    return stream.getvalue()


def hills(seed: int, width: int = 320, height: int = 240) -> RGB:
    """Smooth random shapes: a picture without a face."""
    coarse = np.random.default_rng(seed).integers(0, 256, (6, 8, 3), dtype=np.uint8)
    return cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)


def by(finder_factory: Callable[[], Finder], limits: ImageLimits | None = None, workers: int = 2) -> FaceDetector:
    """A detector whose threads have finders of their own."""
    threads = Threads(workers)
    return FaceDetector(FinderSearch(finder_factory, threads), threads, limits)


@pytest.fixture
def detector() -> Iterator[FaceDetector]:
    detector = by(CascadeFinder, workers=2)
    yield detector
    detector.close()


def shows(box: Box, left: int, top: int, side: int) -> bool:
    """The box stands within a sixth of the drawn face's side of where it was put."""
    centre = (box.x + box.width / 2 - left - side / 2, box.y + box.height / 2 - top - side / 2)
    return max(abs(centre[0]), abs(centre[1])) < side / 6 and abs(np.log(box.width / side)) < 0.25


@pytest.mark.parametrize("side", [32, 64, 128, 256, 400])
async def test_a_face_of_any_size_is_found_once(detector: FaceDetector, side: int) -> None:
    found = await detector.detect(png(scene(640, 480, ((150, 60, side),))), crop_px=112)
    assert (found.width, found.height, len(found.faces)) == (640, 480, 1)
    assert shows(found.faces[0].box, 150, 60, side)
    assert 0.8 < found.faces[0].score <= 1
    assert found.crops.shape == (1, 112, 112, 3)
    assert found.crops.dtype == np.uint8


async def test_a_face_that_fills_the_picture_is_found(detector: FaceDetector) -> None:
    found = await detector.detect(png(drawn_face(300)))
    assert len(found.faces) == 1
    assert shows(found.faces[0].box, 0, 0, 300)


async def test_a_face_in_a_picture_of_many_pixels_is_found_in_its_own_pixels(detector: FaceDetector) -> None:
    found = await detector.detect(png(scene(3000, 2000, ((1700, 300, 500),))))
    assert len(found.faces) == 1
    assert shows(found.faces[0].box, 1700, 300, 500)


async def test_faces_come_from_left_to_right_each_with_its_crop(detector: FaceDetector) -> None:
    picture = scene(640, 480, ((420, 40, 80), (30, 300, 140), (250, 150, 110)))
    found = await detector.detect(png(picture), crop_px=64)
    assert [shows(face.box, *where) for face, where in zip(
        found.faces, [(30, 300, 140), (250, 150, 110), (420, 40, 80)], strict=True
    )] == [True] * 3  # fmt: skip
    for face, crop in zip(found.faces, found.crops, strict=True):
        np.testing.assert_array_equal(crop, cut(picture, CascadeFinder().frame(face), 64))


async def test_a_picture_without_a_face_has_none(detector: FaceDetector) -> None:
    for seed in range(4):
        found = await detector.detect(png(hills(seed)), crop_px=48)
        assert found.faces == ()
        assert found.crops.shape == (0, 48, 48, 3)


async def test_without_a_crop_size_there_are_no_crops(detector: FaceDetector) -> None:
    assert (await detector.detect(png(drawn_face(200)))).crops.shape == (0, 0, 0, 3)


@pytest.mark.parametrize("size", [(1, 1), (1, 5000), (5000, 1), (2, 3), (30, 3)])
async def test_the_thinnest_pictures_have_no_face(detector: FaceDetector, size: tuple[int, int]) -> None:
    image = np.full((size[1], size[0], 3), 90, np.uint8)
    assert (await detector.detect(png(image))).faces == ()
    assert (await detector.detect(png(image), whole_picture=True, crop_px=16)).crops.shape == (1, 16, 16, 3)


async def test_a_whole_picture_is_one_face_padded_to_a_square(detector: FaceDetector) -> None:
    image = hills(0, 120, 60)
    found = await detector.detect(png(image), whole_picture=True, crop_px=120)
    assert found.faces == (Face(Box(0, 0, 120, 60), 1.0),)
    np.testing.assert_array_equal(found.crops[0, 30:90], image)
    np.testing.assert_array_equal(found.crops[0, :30], image[:1].repeat(30, 0))


async def test_a_refused_picture_is_an_error_of_the_table(detector: FaceDetector) -> None:
    with pytest.raises(MienError) as caught:
        await detector.detect(b"not a picture")
    assert caught.value.kind is Kind.NOT_AN_IMAGE
    small = by(CascadeFinder, ImageLimits(max_pixels=100), workers=1)
    with pytest.raises(MienError) as caught:
        await small.detect(png(drawn_face(64)))
    assert caught.value.kind is Kind.TOO_MANY_PIXELS
    small.close()


async def test_many_callers_get_the_same_answers_as_one(detector: FaceDetector) -> None:
    pictures = [png(scene(320, 240, ((10 + 20 * i, 20, 80 + 10 * i),))) for i in range(8)]
    alone = [await detector.detect(picture, crop_px=32) for picture in pictures]
    together = await asyncio.gather(*(detector.detect(picture, crop_px=32) for picture in pictures))
    for one, other in zip(alone, together, strict=True):
        assert one.faces == other.faces
        np.testing.assert_array_equal(one.crops, other.crops)


async def test_the_timings_add_up(detector: FaceDetector) -> None:
    timings = (await detector.detect(png(drawn_face(200)))).timings
    assert timings.detection_s > 0
    assert timings.queue_s >= 0
    assert timings.total_s == pytest.approx(timings.queue_s + timings.detection_s)
    assert timings.inference_s == 0  # no model was asked


class Gate:
    """A finder that waits to be let through, and remembers."""

    def __init__(self, open_at_once: bool = False) -> None:
        self.begun, self.gate, self.calls, self.busy = threading.Event(), threading.Event(), 0, False
        if open_at_once:
            self.gate.set()

    def find(self, image: RGB) -> list[Face]:
        assert not self.busy, "two threads in one finder"
        self.busy, self.calls = True, self.calls + 1
        self.begun.set()
        assert self.gate.wait(10)
        self.busy = False
        return []

    def frame(self, face: Face) -> Square:
        return Framing(1.0).square(face.box)


async def test_a_caller_who_leaves_while_waiting_is_never_searched() -> None:
    gate = Gate()
    detector = by(lambda: gate, workers=1)
    picture = png(hills(0, 8, 8))
    first = asyncio.create_task(detector.detect(picture))
    await asyncio.to_thread(gate.begun.wait, 10)
    second = asyncio.create_task(detector.detect(picture))
    third = asyncio.create_task(detector.detect(picture))
    await asyncio.sleep(0)
    second.cancel()
    with pytest.raises(asyncio.CancelledError):
        await second
    gate.gate.set()
    assert (await first).faces == (await third).faces == ()
    assert gate.calls == 2
    detector.close()


async def test_every_finder_is_warmed_and_used_by_one_thread_at_a_time() -> None:
    gates: list[Gate] = []
    detector = by(lambda: gates.append(Gate(open_at_once=True)) or gates[-1], workers=3)
    await detector.warm()
    assert [gate.calls for gate in gates] == [1, 1, 1]
    await asyncio.gather(*(detector.detect(png(hills(0, 8, 8))) for _ in range(30)))
    assert sum(gate.calls for gate in gates) == 33
    detector.close()


def test_the_detector_is_the_port(detector: FaceDetector) -> None:
    port: Detector = detector
    assert port is detector


def test_a_missing_or_foreign_network_is_known_at_the_start(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="face_detection_yunet"):
        by(lambda: YuNetFinder(tmp_path / "none.onnx"))
    (tmp_path / "text.onnx").write_text("not a network")
    with pytest.raises(ValueError, match="not a YuNet network"):
        YuNetFinder(tmp_path / "text.onnx")


@pytest.mark.skipif(not YUNET.exists(), reason="needs OpenCV Zoo's face_detection_yunet_2023mar.onnx in ../shared")
async def test_yunet_finds_the_face_and_its_five_landmarks() -> None:
    detector = by(lambda: YuNetFinder(YUNET), workers=1)
    picture = scene(640, 480, ((200, 100, 240),))
    found = await detector.detect(png(picture), crop_px=112)
    (face,) = found.faces
    right_eye, left_eye, nose, right_mouth, left_mouth = face.landmarks
    assert right_eye[0] < nose[0] < left_eye[0]
    assert right_mouth[0] < left_mouth[0]
    assert right_eye[1] < nose[1] < right_mouth[1]
    assert (await detector.detect(png(hills(1)))).faces == ()
    detector.close()


def test_a_frame_scales_and_shifts_with_its_box() -> None:
    square = Framing(1.5, 0.1, -0.2).square(Box(10, 20, 40, 90))
    assert square == Square(30 + 9, 65 - 18, 90)

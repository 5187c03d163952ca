"""The repository's face detector behind the detection service, with a tiny model whose answers are known."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import numpy as np
import pytest

from services.calls import answering
from services.chassis.threads import Threads
from services.detection.detector import FaceDetector
from services.detection.network import NetworkSearch, faces_of
from services.detection.tiles import tiles
from services.domain import Box, Detection, Square
from services.errors import Kind, MienError
from services.images import cut
from services.inference.embedded import EmbeddedBackend
from services.inference.repository import RepositoryError
from tests.services.detection.test_detector import png
from tests.services.detection.toy_models import POINTS, painted, write_detector
from tests.services.inference.observers import Ledger


@asynccontextmanager
async def detecting(
    repository: Path, ledger: Ledger | None = None, *, candidates: int = 200, delay_us: int = 0
) -> AsyncIterator[FaceDetector]:
    write_detector(repository, candidates=candidates, delay_us=delay_us)
    backend = EmbeddedBackend(repository, ledger or Ledger())
    await backend.start()
    threads = Threads(2)
    detector = FaceDetector(NetworkSearch(backend, threads), threads)
    try:
        yield detector
    finally:
        detector.close()
        await backend.close()


def boxes(found: Detection) -> list[tuple[float, ...]]:
    return [(face.box.x, face.box.y, face.box.width, face.box.height) for face in found.faces]


def raw(tile_count: int, *candidates: tuple[int, tuple[float, float, float, float], float]) -> dict[str, np.ndarray]:  # type: ignore[type-arg]
    """A network's answer with (canvas, box, score) in it."""
    outputs = {
        "boxes": np.zeros((tile_count, 200, 4), np.float32),
        "scores": np.zeros((tile_count, 200), np.float32),
        "points": np.zeros((tile_count, 200, 5, 2), np.float32),
    }
    for number, (canvas, box, score) in enumerate(candidates):
        outputs["boxes"][canvas, number], outputs["scores"][canvas, number] = box, score
    return outputs


async def test_faces_come_from_left_to_right_with_box_score_points_and_crop(tmp_path: Path) -> None:
    picture = painted(320, 240, ("blue", 200, 20, 60), ("red", 24, 100, 96))
    async with detecting(tmp_path) as detector:
        found = await detector.detect(png(picture), crop_px=112)
    assert boxes(found) == [(24, 100, 96, 96), (200, 20, 60, 60)]
    assert [face.score for face in found.faces] == [1.0, 1.0]
    np.testing.assert_allclose(found.faces[0].landmarks, POINTS * 96 + [24, 100], atol=1e-3)
    assert found.faces[0].action_units == {}
    np.testing.assert_array_equal(found.crops[1], cut(picture, Square(230, 50 - 0.015 * 66.6, 66.6), 112))
    timings = found.timings
    assert timings.inference_s > 0
    assert timings.queue_s >= 0
    assert timings.total_s == pytest.approx(timings.queue_s + timings.detection_s)


@pytest.mark.parametrize(
    ("size", "square"),
    [
        ((640, 640), ("red", 128, 64, 128)),  # in the whole picture and in several tiles
        ((640, 640), ("red", 304, 304, 32)),  # across the tiles' edges
        ((1280, 960), ("green", 612, 400, 24)),
        ((160, 120), ("blue", 40, 20, 80)),  # enlarged
        ((2560, 1920), ("red", 0, 0, 1600)),  # larger than any tile, cut off by the canvas of none
    ],
)
async def test_a_face_is_found_once_wherever_the_tiles_are(
    tmp_path: Path, size: tuple[int, int], square: tuple[str, int, int, int]
) -> None:
    async with detecting(tmp_path) as detector:
        found = await detector.detect(png(painted(*size, square)))
    (box,) = boxes(found)
    _, left, top, side = square
    np.testing.assert_allclose(box, (left, top, side, side), atol=2 * max(size) / 320)


async def test_a_face_at_the_pictures_own_pixels_is_mapped_back_exactly(tmp_path: Path) -> None:
    # two of a colour are one large, half empty box to the toy where a canvas shows both: only tiles tell them apart
    picture = painted(640, 480, ("red", 40, 40, 50), ("red", 561, 401, 49))
    async with detecting(tmp_path) as detector:
        assert boxes(await detector.detect(png(picture))) == [(40, 40, 50, 50), (561, 401, 49, 49)]


async def test_callers_at_the_same_time_share_a_batch(tmp_path: Path) -> None:
    ledger = Ledger()
    async with detecting(tmp_path, ledger, delay_us=300_000) as detector:
        pictures = [png(painted(320, 240, ("red", 20 * number, 30, 60))) for number in range(4)]
        found = await asyncio.gather(*(detector.detect(picture) for picture in pictures))
    assert [boxes(each) for each in found] == [[(20 * number, 30, 60, 60)] for number in range(4)]
    assert [rows for rows, _ in ledger.batches] == [4]


async def test_sixteen_at_once_get_the_very_answers_of_one_at_a_time(tmp_path: Path) -> None:
    random = np.random.default_rng(5)
    pictures = []
    for number in range(16):
        width, height = 200 + 90 * number, 180 + 50 * (number % 5)
        squares = [(colour, *random.integers(0, 100, 2).tolist(), 40 + number) for colour in ("red", "green")]
        pictures.append(png(painted(width, height, *squares)))
    async with detecting(tmp_path) as detector:
        alone = [await detector.detect(picture, crop_px=48) for picture in pictures]
        together = await asyncio.gather(*(detector.detect(picture, crop_px=48) for picture in pictures))
    assert sum(len(each.faces) for each in alone) >= 16
    for one, other in zip(alone, together, strict=True):
        assert one.faces == other.faces
        np.testing.assert_array_equal(one.crops, other.crops)


@pytest.mark.parametrize("size", [(1, 1), (1, 5000), (5000, 1), (2, 3), (30, 3), (2600, 1800)])
async def test_thin_tiny_and_huge_pictures_without_a_face_have_none(tmp_path: Path, size: tuple[int, int]) -> None:
    async with detecting(tmp_path) as detector:
        found = await detector.detect(png(painted(*size)), crop_px=16)
    assert (found.width, found.height) == size
    assert found.faces == ()
    assert found.crops.shape == (0, 16, 16, 3)


async def test_a_whole_picture_asks_no_model(tmp_path: Path) -> None:
    ledger = Ledger()
    async with detecting(tmp_path, ledger) as detector:
        found = await detector.detect(png(painted(80, 60)), whole_picture=True, crop_px=80)
    assert boxes(found) == [(0, 0, 80, 60)]
    assert ledger.batches == []


async def test_a_caller_who_leaves_while_waiting_never_reaches_the_model(tmp_path: Path) -> None:
    ledger = Ledger()
    async with detecting(tmp_path, ledger, delay_us=400_000) as detector:
        waiting = asyncio.create_task(detector.detect(png(painted(64, 64))))
        while ledger.rows == 0:  # noqa: ASYNC110 (the ledger tells it by this alone)
            await asyncio.sleep(0.005)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        assert ledger.rows == 0
    assert ledger.batches == []
    assert ledger.drops[Kind.CANCELLED] == 1


async def test_the_calls_deadline_holds_in_the_queue(tmp_path: Path) -> None:
    async with detecting(tmp_path, delay_us=5_000_000) as detector:
        with answering("one", 0.2), pytest.raises(MienError) as caught:
            await detector.detect(png(painted(64, 64)))
    assert caught.value.kind is Kind.DEADLINE_EXCEEDED


async def test_a_model_that_is_no_detector_is_one_sentence_at_the_start(tmp_path: Path) -> None:
    async with detecting(tmp_path, candidates=100) as detector:
        with pytest.raises(RepositoryError, match=r"must have the output boxes \[n, 200, 4\] float32"):
            await detector.warm()


def find(size: tuple[int, int], *candidates: tuple[int, tuple[float, float, float, float], float]) -> list[Box]:
    layout = tiles(*size)
    return [face.box for face in faces_of(raw(len(layout), *candidates), layout, size, 0.5)]


def test_of_boxes_that_overlap_or_contain_each_other_the_surest_stays() -> None:
    found = find(
        (320, 320),
        (0, (100, 100, 100, 100), 0.8),
        (0, (110, 105, 100, 100), 0.9),  # much the same
        (0, (130, 120, 40, 40), 0.7),  # inside
        (0, (60, 60, 240, 240), 0.6),  # around
        (0, (205, 100, 100, 100), 0.75),  # beside
        (0, (20, 230, 50, 50), 0.49),  # not sure enough
    )
    assert found == [Box(110, 105, 100, 100), Box(205, 100, 100, 100)]


def test_what_a_tile_cuts_off_is_left_to_those_that_show_it_whole() -> None:
    # the whole picture shows the face at half size; the first tile sees its left part and is surer
    found = find((640, 320), (0, (140, 40, 30, 30), 0.6), (1, (280, 80, 40, 60), 0.9))
    assert found == [Box(280, 80, 60, 60)]


def test_candidates_beside_the_picture_or_of_no_size_are_none() -> None:
    assert find((320, 160), (0, (100, 200, 50, 50), 0.9), (0, (50, 50, 0, 20), 0.9)) == []
    assert find((320, 160), (0, (-20, 120, 60, 60), 0.9)) == [Box(-20, 120, 60, 60)]


def test_an_answer_that_is_no_number_is_an_error_of_the_table() -> None:
    outputs = raw(1, (0, (1, 1, 9, 9), np.nan))
    with pytest.raises(MienError) as caught:
        faces_of(outputs, tiles(9, 9), (9, 9), 0.5)
    assert caught.value.kind is Kind.UNAVAILABLE


def test_a_crowd_is_bounded() -> None:
    layout = tiles(1280, 1280)
    outputs = raw(len(layout))
    for canvas in range(len(layout)):
        spots = np.arange(200)
        outputs["boxes"][canvas, :, 0], outputs["boxes"][canvas, :, 1] = spots % 18 * 15 + 10, spots // 18 * 15 + 10
        outputs["boxes"][canvas, :, 2:] = 9
    outputs["scores"][:] = 0.9
    assert len(faces_of(outputs, layout, (1280, 1280), 0.5)) == 256

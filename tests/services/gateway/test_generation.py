"""The gateway's generation with detectors, classifiers and generators that do as the test says."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import pytest
from PIL import Image

from services.chassis.threads import Threads
from services.domain import (
    ACTION_UNITS,
    FACE_PX,
    RGB,
    Box,
    Classification,
    Detection,
    Face,
    Generation,
    Model,
    ModelVersion,
    Square,
    Target,
)
from services.errors import Kind, MienError
from services.gateway.generation import GenerationPipeline, Wish
from services.gateway.measuring import readable
from services.images import ImageLimits, decode
from services.metrics import Metrics
from tests.services.detection.test_detector import hills, png

PICTURE = png(hills(0, 200, 100))
UNITS = dict.fromkeys(ACTION_UNITS, 0.5)


def face(x: float, known: bool = True) -> Face:
    square = Square(x + 20, 50, 60) if known else None
    return Face(Box(x, 30, 40, 40), 1.0, action_units=UNITS if known else {}, square=square)


@dataclass
class Scripted:
    """A detector whose n-th answer is the n-th of `finds`, and a classifier that knows the number of the row."""

    finds: list[Sequence[Face]]
    seen: list[bytes] = field(default_factory=list)

    async def detect(self, image: bytes, *, whole_picture: bool = False, crop_px: int = 0) -> Detection:
        self.seen.append(image)
        faces = tuple(self.finds[len(self.seen) - 1])
        height, width = decode(image).shape[:2]
        return Detection(width, height, faces, np.zeros((len(faces), crop_px, crop_px, 3), np.uint8))

    async def classify(self, crops: RGB, *, model: str = "", explain: bool = False) -> Classification:
        assert crops.shape[1:] == (FACE_PX, FACE_PX, 3)
        rows = np.eye(7, dtype=np.float32)[np.arange(len(crops)) % 7]
        return Classification(rows, ModelVersion("expression_classifier", 1))

    async def models(self) -> tuple[Model, ...]:
        return ()


@dataclass
class Painter:
    """A generator that paints all of every face white."""

    calls: list[tuple[int, int]] = field(default_factory=list)
    failure: MienError | None = None
    installed: bool = True

    async def generate(
        self,
        crops: RGB,
        present: np.ndarray,  # type: ignore[type-arg]
        target: Target,
        *,
        intensity: float = 1.0,
        steps: int = 1,
        model: str = "",
    ) -> Generation:
        if self.failure:
            raise self.failure
        self.calls.append((len(crops), steps))
        shape = (steps, *crops.shape)
        return Generation(
            np.full(shape, 255, np.uint8),
            np.full(shape[:-1], 255, np.uint8),
            np.ones((steps, len(crops), len(ACTION_UNITS)), np.float32),
            ModelVersion("expression_generator", 3),
        )

    async def models(self) -> tuple[Model, ...]:
        if self.failure:
            raise self.failure
        name = ModelVersion("expression_generator", 3)
        return (Model(name, "expression_generator", True, (), {}),) if self.installed else ()


def pipeline(*finds: Sequence[Face], painter: Painter | None = None) -> tuple[GenerationPipeline, Scripted]:
    reader = Scripted(list(finds))
    return GenerationPipeline(reader, reader, painter or Painter(), Metrics("test"), Threads(1)), reader


def pixels(data: bytes) -> RGB:
    return np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))


async def test_every_face_that_could_be_read_is_painted_and_no_other_pixel() -> None:
    painter = Painter()
    work, _ = pipeline([face(5), face(70, known=False), face(140)], painter=painter)
    made = await work.generate(PICTURE, Wish(Target("happiness")))
    assert [changed.index for changed in made.faces] == [0, 2]
    assert painter.calls == [(2, 1)]
    picture, before = pixels(made.files[0]), hills(0, 200, 100)
    assert (picture[45:55, 20:30] == 255).all()
    assert (picture[45:55, 155:165] == 255).all()
    np.testing.assert_array_equal(picture[:, 56:129], before[:, 56:129])


async def test_one_face_can_be_chosen() -> None:
    work, _ = pipeline([face(5), face(140)])
    made = await work.generate(PICTURE, Wish(Target("happiness"), face=1))
    assert [changed.index for changed in made.faces] == [1]
    np.testing.assert_array_equal(pixels(made.files[0])[:, :100], hills(0, 200, 100)[:, :100])


async def test_all_faces_and_steps_go_to_the_generator_together() -> None:
    painter = Painter()
    work, _ = pipeline([face(5), face(140)], painter=painter)
    made = await work.generate(PICTURE, Wish(Target("happiness"), intensity=0.5, steps=4))
    assert painter.calls == [(2, 4)]
    assert len(made.files) == 4
    assert made.amounts == (0.125, 0.25, 0.375, 0.5)
    assert all(len(changed.wanted) == 4 for changed in made.faces)


async def test_each_face_is_measured_on_the_result_where_it_is_found_again() -> None:
    again = Face(Box(142, 31, 40, 40), 1.0, action_units=dict.fromkeys(ACTION_UNITS, 0.25), square=Square(160, 50, 60))
    work, reader = pipeline([face(5), face(140)], [Face(Box(80, 0, 9, 9), 1.0), again])
    made = await work.generate(PICTURE, Wish(Target("happiness"), measure=True))
    lost, found = made.faces
    assert reader.seen == [PICTURE, made.files[0]]  # the very file that the caller gets
    assert (lost.before, lost.after, lost.measured) == ((1, 0, 0, 0, 0, 0, 0), None, None)
    assert found.before == (0, 1, 0, 0, 0, 0, 0)
    assert found.after == (0, 0, 1, 0, 0, 0, 0)
    assert found.measured == again.action_units


async def test_a_result_without_any_face_has_no_measurement() -> None:
    work, _ = pipeline([face(5)], [])
    (changed,) = (await work.generate(PICTURE, Wish(Target("happiness"), measure=True))).faces
    assert changed.before is not None
    assert changed.after is None


def test_a_result_too_large_for_the_detection_is_read_as_jpeg() -> None:
    noise = np.random.default_rng(0).integers(0, 256, (300, 300, 3), np.uint8)
    large = png(noise)
    assert readable(large, ImageLimits(len(large))) is large
    smaller = readable(large, ImageLimits(len(large) // 2))
    assert smaller.startswith(b"\xff\xd8")
    assert decode(smaller).shape == noise.shape
    assert readable(large, ImageLimits(1000)) == b""


@pytest.mark.parametrize(
    ("faces", "wish", "kind", "word"),
    [
        ([], Wish(Target("fear")), Kind.NO_FACE, "No face was found"),
        ([face(5, known=False)], Wish(Target("fear")), Kind.NO_FACE, "action units"),
        ([face(5), face(9, known=False)], Wish(Target("fear"), face=1), Kind.NO_FACE, "action units"),
        ([face(5)], Wish(Target("fear"), face=1), Kind.BAD_PARAMETER, "from 0 to 0"),
        ([face(5)], Wish(Target("fear"), steps=1), Kind.BAD_PARAMETER, "from 2 to 32"),
        ([face(5)], Wish(Target("fear"), steps=33), Kind.BAD_PARAMETER, "from 2 to 32"),
        ([face(5)] * 17, Wish(Target("fear"), steps=32), Kind.BAD_PARAMETER, "17 faces in 32 steps"),
        ([face(5)], Wish(Target("fear"), model="nobody"), Kind.UNKNOWN_MODEL, "no such generator"),
    ],
)
async def test_what_cannot_be_done_is_said_before_anything_is_rendered(
    faces: list[Face], wish: Wish, kind: Kind, word: str
) -> None:
    painter = Painter()
    work, _ = pipeline(faces, painter=painter)
    with pytest.raises(MienError, match=word) as caught:
        await work.generate(PICTURE, wish)
    assert caught.value.kind is kind
    assert not painter.calls


async def test_more_pixels_than_an_animation_may_have_are_refused() -> None:
    large = png(np.zeros((2000, 2001, 3), np.uint8))
    work, _ = pipeline([face(5)])
    with pytest.raises(MienError, match="fewer steps") as caught:
        await work.generate(large, Wish(Target("fear"), steps=16, form="gif"))
    assert caught.value.kind is Kind.TOO_MANY_PIXELS


async def test_without_a_generator_no_face_is_even_searched() -> None:
    work, reader = pipeline([face(5)], painter=Painter(installed=False))
    with pytest.raises(MienError) as caught:
        await work.generate(PICTURE, Wish(Target("fear")))
    assert caught.value.kind is Kind.NOT_IMPLEMENTED
    assert not reader.seen


async def test_a_generator_that_is_down_fails_generating_but_not_listing() -> None:
    work, _ = pipeline([face(5)], painter=Painter(failure=MienError(Kind.UNAVAILABLE, "Down.")))
    with pytest.raises(MienError) as caught:
        await work.generate(PICTURE, Wish(Target("fear")))
    assert caught.value.kind is Kind.UNAVAILABLE
    assert await work.models() == ()

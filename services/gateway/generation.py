"""The gateway's other work: detect, render another expression onto the faces, put them back, and read the result.

Composes ports; knows no transport and no model. Pixels are decoded, pasted and encoded here, in threads of its own,
under a bound on what is held at once.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
from numpy.typing import NDArray

from services import calls, documents, spans, synthetic
from services.chassis.memory import PixelBudget
from services.chassis.threads import Spent, Threads
from services.domain import (
    ACTION_UNITS,
    FACE_PX,
    MOST_ROWS,
    MOST_STEPS,
    RGB,
    SQUARE_PX,
    ChangedFace,
    Classifier,
    Detection,
    Detector,
    Face,
    Generation,
    Generator,
    Model,
    Rendering,
    Square,
    Target,
    Timings,
)
from services.errors import NO_GENERATOR, Kind, MienError
from services.gateway.measuring import Measuring
from services.gateway.paste import paste
from services.images import ImageLimits, cut, decode
from services.metrics import Metrics

_PIXELS_IN_WORK = 128_000_000  # decoded pictures and their frames: about 400 MB
_MOST_FRAME_PIXELS = 64_000_000  # of all frames of one answer


@dataclass(frozen=True, slots=True)
class Wish:
    """What a caller wants of a photo.

    Attributes:
        intensity: how far to go, in [0, 1].
        face: from left to right, from 0; None: every face whose action units are known.
        steps: frames, 2 to 32; 0: one picture.
        form: png or jpeg: one file, or one for each step; webp, gif or zip: one file with all steps.
        measure: whether the result is read again; of one picture only.
    """

    target: Target
    intensity: float = 1.0
    face: int | None = None
    steps: int = 0
    model: str = ""
    form: str = "png"
    measure: bool = False


class GenerationPipeline:
    """A photo in, the photo with other expressions out."""

    def __init__(
        self,
        detector: Detector,
        classifier: Classifier,
        generator: Generator,
        metrics: Metrics,
        threads: Threads,
        limits: ImageLimits | None = None,
    ) -> None:
        self._detector, self._generator, self._metrics, self._threads = detector, generator, metrics, threads
        self._limits = limits or ImageLimits()
        self._measuring = Measuring(detector, classifier, threads, self._limits)
        self._memory = PixelBudget(_PIXELS_IN_WORK)

    async def generate(self, image: bytes, wish: Wish) -> Rendering:
        """The photo with the wished expression on its faces.

        All faces and frames go to the generator together, so they share batches.

        Raises:
            MienError: as `Detector.detect`, `Classifier.classify` and `Generator.generate` do; NO_FACE, there is none
                whose action units are known; BAD_PARAMETER, there is no such face, or `steps` is out of range, or all
                are too many; TOO_MANY_PIXELS, the frames would have too many together; NOT_IMPLEMENTED, there is no
                generator.
        """
        started = time.perf_counter()
        if wish.steps and not 2 <= wish.steps <= MOST_STEPS:
            raise MienError(Kind.BAD_PARAMETER, f"steps must be from 2 to {MOST_STEPS}.", field="steps")
        await self._check_model(wish.model)  # before any work is done for it
        detection = await self._detected(image, crop_px=FACE_PX if wish.measure else 0)
        detected, spent = time.perf_counter(), Spent()
        chosen = _chosen(detection, wish.face)
        frames = max(1, wish.steps)
        pixels = detection.width * detection.height
        _check_size(len(chosen), frames, pixels)
        waiting = time.perf_counter()
        with self._metrics.stage("generate"):
            async with self._memory.held(pixels * (frames + 1)):
                spent.queue_s += time.perf_counter() - waiting
                rendering = await self._rendered(image, detection, chosen, wish, spent)
        if wish.measure:
            with self._metrics.stage("measure"):
                faces = await self._measuring.measured(rendering.faces, detection.crops, rendering.files[0])
            rendering = replace(rendering, faces=faces)
        model = rendering.model
        calls.note(model=f"{model.name}/{model.version}", changed=len(chosen), frames=frames)
        total_s = time.perf_counter() - started
        return replace(rendering, timings=Timings(total_s, detected - started, spent.queue_s, spent.inference_s))

    async def models(self) -> tuple[Model, ...]:
        """The generators that can be asked for; none where nothing answers: reading needs no generator."""
        try:
            return await self._generator.models()
        except MienError as error:
            if error.kind in (Kind.UNAVAILABLE, Kind.NOT_READY, Kind.DEADLINE_EXCEEDED):
                return ()
            raise

    async def _detected(self, image: bytes, *, crop_px: int) -> Detection:
        with self._metrics.stage("detect"):
            detection = await self._detector.detect(image, crop_px=crop_px)
        self._metrics.image_bytes.observe(len(image))
        self._metrics.faces.observe(len(detection.faces))
        calls.note(bytes=len(image), faces=len(detection.faces))
        return detection

    async def _rendered(
        self, image: bytes, detection: Detection, chosen: Mapping[int, Face], wish: Wish, spent: Spent
    ) -> Rendering:
        squares = [face.square for face in chosen.values() if face.square]
        reading = spans.traced("decode", partial(_read, image, self._limits, squares))
        picture, crops = await self._threads.do(reading, spent)
        present = [[face.action_units[name] for name in ACTION_UNITS] for face in chosen.values()]
        generation = await self._generator.generate(
            crops,
            np.array(present, np.float32),
            wish.target,
            intensity=wish.intensity,
            steps=max(1, wish.steps),
            model=wish.model,
        )
        spent.queue_s += generation.timings.queue_s
        spent.inference_s += generation.timings.inference_s
        rendering = Rendering(
            detection.width,
            detection.height,
            (),
            synthetic.MEDIA_TYPES[wish.form],
            tuple(wish.intensity * k / max(1, wish.steps) for k in range(1, max(1, wish.steps) + 1)),
            tuple(
                ChangedFace(index, face, tuple(_named(frame[row]) for frame in generation.wanted))
                for row, (index, face) in enumerate(chosen.items())
            ),
            generation.model,
        )

        def files() -> tuple[bytes, ...]:
            return _files(_pasted(picture, squares, crops, generation), wish.form, rendering)

        return replace(rendering, files=await self._threads.do(spans.traced("encode", files), spent))

    async def _check_model(self, name: str) -> None:
        models = await self._generator.models()
        if not models:
            raise MienError(Kind.NOT_IMPLEMENTED, NO_GENERATOR)
        if not any(one.model.name == name or (not name and one.default) for one in models):
            raise MienError(
                Kind.UNKNOWN_MODEL,
                "There is no such generator; GET /v1/models or ListModels names those there are.",
                field="model",
            )


def _chosen(detection: Detection, wanted: int | None) -> dict[int, Face]:
    """The faces to change, by their place."""
    faces = detection.faces
    if not faces:
        raise MienError(
            Kind.NO_FACE,
            "No face was found. Send a photo whose face is larger, sharper or turned to the camera.",
            field="image",
        )
    if wanted is not None and not 0 <= wanted < len(faces):
        raise MienError(
            Kind.BAD_PARAMETER, f"face must be from 0 to {len(faces) - 1}: so many were found.", field="face"
        )
    asked = range(len(faces)) if wanted is None else [wanted]
    chosen = {index: faces[index] for index in asked if faces[index].action_units and faces[index].square}
    if not chosen:
        raise MienError(
            Kind.NO_FACE,
            "A face was found, but its landmarks and action units could not be read, so nobody knows from where to "
            "change it. Send a photo in which it is larger, sharper or turned to the camera.",
            field="image",
        )
    return chosen


def _check_size(faces: int, frames: int, pixels: int) -> None:
    if faces * frames > MOST_ROWS:
        raise MienError(
            Kind.BAD_PARAMETER,
            f"{faces} faces in {frames} steps are more than {MOST_ROWS}. Choose one face, or fewer steps.",
            field="steps",
        )
    if frames > 1 and frames * pixels > _MOST_FRAME_PIXELS:
        raise MienError(
            Kind.TOO_MANY_PIXELS,
            f"{frames} frames of {pixels:,} pixels are more than {_MOST_FRAME_PIXELS:,} pixels. "
            "Ask for fewer steps, or make the image smaller.",
            field="steps",
        )


def _read(image: bytes, limits: ImageLimits, squares: Sequence[Square]) -> tuple[RGB, RGB]:
    """The picture, and `[n, 128, 128, 3]`: its squares."""
    picture = decode(image, limits)
    return picture, np.stack([cut(picture, square, SQUARE_PX) for square in squares])


def _pasted(picture: RGB, squares: Sequence[Square], crops: RGB, generation: Generation) -> Iterator[RGB]:
    """The picture with its faces repainted, once for each frame."""
    for rendered, masks in zip(generation.rendered, generation.masks, strict=True):
        with spans.span("paste"):
            frame = picture.copy()
            for square, crop, face, mask in zip(squares, crops, rendered, masks, strict=True):
                paste(frame, square, crop, face, mask)
        yield frame


def _files(frames: Iterator[RGB], form: str, rendering: Rendering) -> tuple[bytes, ...]:
    if form in ("webp", "gif"):
        return (synthetic.animation(list(frames), form),)
    if form == "zip":
        return (synthetic.archive(frames, documents.frames(rendering)),)
    return tuple(synthetic.picture(frame, form) for frame in frames)


def _named(row: NDArray[np.float32]) -> dict[str, float]:
    return dict(zip(ACTION_UNITS, row.tolist(), strict=True))

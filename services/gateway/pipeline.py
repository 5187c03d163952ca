"""The gateway's work: detect, then classify what was found. Composes ports; knows no transport and no model."""

from __future__ import annotations

import time
from functools import partial

from services import calls
from services.chassis.threads import Spent, Threads
from services.domain import (
    FACE_PX,
    Classification,
    ClassifiedFace,
    Classifier,
    Detection,
    Detector,
    Model,
    ModelVersion,
    Reading,
    Timings,
    top_expression,
)
from services.errors import NO_SUCH_MODEL, Kind, MienError
from services.gateway.explaining import explained
from services.metrics import Metrics


class Pipeline:
    """A photo in, answers out."""

    def __init__(self, detector: Detector, classifier: Classifier, metrics: Metrics, threads: Threads) -> None:
        self._detector = detector
        self._classifier = classifier
        self._metrics = metrics
        self._threads = threads

    async def detect(self, image: bytes) -> Detection:
        """Every face of a photo, without crops."""
        return await self._detected(image, whole_picture=False, crop_px=0)

    async def classify(
        self, image: bytes, *, whole_picture: bool = False, model: str = "", explain: bool = False
    ) -> Reading:
        """Every face of a photo and what it shows; with `whole_picture` the picture is one face already.

        All faces of the photo go to the classifier together, so they share a batch.

        Raises:
            MienError: as `Detector.detect` and `Classifier.classify` do.
        """
        started = time.perf_counter()
        if model:
            await self.named(model)  # before any work is done for it
        detection = await self._detected(image, whole_picture=whole_picture, crop_px=FACE_PX)
        detection_s = time.perf_counter() - started
        if detection.faces:
            with self._metrics.stage("classify"):
                classification = await self._classifier.classify(detection.crops, model=model, explain=explain)
            faces, version = _joined(detection, classification), classification.model
            if classification.evidence is not None:
                work = partial(explained, faces, detection.crops, classification.evidence)
                with self._metrics.stage("explain"):
                    faces = await self._threads.do(work, Spent())
            queue_s, inference_s = classification.timings.queue_s, classification.timings.inference_s
        else:
            faces, version, queue_s, inference_s = (), await self.named(model), 0.0, 0.0
        for face in faces:
            self._metrics.expressions.labels(version.name, face.expression).inc()
        timings = Timings(time.perf_counter() - started, detection_s, queue_s, inference_s)
        return Reading(detection.width, detection.height, faces, version, timings)

    async def models(self) -> tuple[Model, ...]:
        """Everything that can be asked for."""
        return await self._classifier.models()

    async def named(self, name: str) -> ModelVersion:
        """The model of this name, or the default one.

        Raises:
            MienError: UNKNOWN_MODEL.
        """
        for model in await self._classifier.models():
            if model.model.name == name or (not name and model.default):
                return model.model
        raise MienError(
            Kind.UNKNOWN_MODEL,
            NO_SUCH_MODEL,
            field="model",
        )

    async def _detected(self, image: bytes, *, whole_picture: bool, crop_px: int) -> Detection:
        with self._metrics.stage("detect"):
            detection = await self._detector.detect(image, whole_picture=whole_picture, crop_px=crop_px)
        self._metrics.image_bytes.observe(len(image))
        self._metrics.faces.observe(len(detection.faces))
        calls.note(bytes=len(image), faces=len(detection.faces))
        return detection


def _joined(detection: Detection, classification: Classification) -> tuple[ClassifiedFace, ...]:
    """Each face with its row of probabilities."""
    rows = [tuple(float(value) for value in row) for row in classification.probabilities]
    return tuple(
        ClassifiedFace(face, top_expression(row), row) for face, row in zip(detection.faces, rows, strict=True)
    )

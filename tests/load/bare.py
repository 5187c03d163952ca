"""The pipeline without server, batcher or queue: what serving is compared with."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import cast

import onnxruntime

from services.chassis.threads import Threads
from services.classification.classifier import ExpressionClassifier
from services.detection.cascade import CascadeFinder
from services.detection.detector import FaceDetector
from services.detection.finders import FinderSearch
from services.detection.landmarker import FaceLandmarker
from services.detection.network import NetworkSearch
from services.gateway.pipeline import Pipeline
from services.images import ImageLimits
from services.inference.backend import Backend, Inference, ModelSpec, Tensors
from services.inference.repository import read_repository
from services.metrics import Metrics


class Sessions:
    """A backend without batcher, queue or threads of its own: the caller waits while its rows are run."""

    def __init__(self, repository: Path, intra: int) -> None:
        self._specs = read_repository(repository)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = intra
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        self._sessions = {
            name: onnxruntime.InferenceSession(spec.path, options, providers=["CPUExecutionProvider"])
            for name, spec in self._specs.items()
        }

    def specs(self) -> Mapping[str, ModelSpec]:
        return self._specs

    async def infer(self, model: str, inputs: Tensors, *, deadline_s: float | None = None) -> Inference:
        names = [tensor.name for tensor in self._specs[model].outputs]
        outputs = self._sessions[model].run(names, dict(inputs))
        return Inference(dict(zip(names, outputs, strict=True)), 0.0, 0.0, self._specs[model].version)


class BarePipeline:
    """Decode, detect, align, classify in `threads` threads; `intra` threads inside a model. No server, no batcher."""

    def __init__(self, repository: Path, threads: int, intra: int) -> None:
        self.threads, self.intra = threads, intra
        self._backend = Sessions(repository, intra)

    async def _answers(self, photos: Sequence[bytes]) -> list[float]:
        """Seconds of each photo, one after the other."""
        faces = 0
        threads = Threads(1)
        backend = cast(Backend, self._backend)
        roles = self._backend.specs()
        found = "face_detector" in roles  # as the gateway does by default
        landmarker = FaceLandmarker(backend, threads) if "face_landmarker" in roles else None
        second_look = landmarker is not None
        search = NetworkSearch(backend, threads, second_look) if found else FinderSearch(CascadeFinder, threads)
        detector = FaceDetector(search, threads, ImageLimits(), landmarker)
        pipeline = Pipeline(detector, ExpressionClassifier(backend), Metrics("bench"), threads)
        seconds = []
        for photo in photos:
            started = time.perf_counter()
            reading = await pipeline.classify(photo)
            seconds.append(time.perf_counter() - started)
            faces += len(reading.faces)
        assert faces or not photos, "no face was found"
        detector.close()
        return seconds

    def run(self, photos: Sequence[bytes]) -> tuple[float, list[float]]:
        """(seconds in all, seconds of each); pictures without any face are no measure."""
        shares = [photos[first :: self.threads] for first in range(self.threads)]
        started = time.perf_counter()
        with ThreadPoolExecutor(self.threads) as pool:
            parts = pool.map(lambda share: asyncio.run(self._answers(share)), shares)
            latencies = [second for part in parts for second in part]
        return time.perf_counter() - started, latencies


def best(repository: Path, photos: Sequence[bytes]) -> BarePipeline:
    """The faster of two settings on two cores: two threads, or two inside the model."""
    settings = [BarePipeline(repository, 2, 1), BarePipeline(repository, 1, 2)]
    return min(settings, key=lambda one: one.run(photos)[0])

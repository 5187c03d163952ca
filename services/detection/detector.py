"""`FaceDetector`: a photo's bytes → its faces and their crops, in a bounded number of threads.

Satisfies the `Detector` port. What finds the faces is a `Finder`: `CascadeFinder` (comes with OpenCV) or `YuNetFinder`
(a model file that the deployer has). OpenCV's finders keep state between calls, so there is one for each thread.
"""

from __future__ import annotations

import asyncio
import queue
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Protocol

import cv2
import numpy as np

from services.domain import RGB, Box, Detection, Face, Timings
from services.images import ImageLimits, Square, cut, decode

_WARM_PX = 320


class Finder(Protocol):
    """Finds faces in a picture; used by one thread at a time."""

    def find(self, image: RGB) -> list[Face]:
        """Every face, in any order; none is found twice. Any picture of at least one pixel is fine."""

    def frame(self, face: Face) -> Square:
        """The square around a found face that the expression classifiers were trained on."""


class FaceDetector:
    """Finds and cuts out faces in `workers` threads; more callers than that wait their turn.

    A caller who is cancelled while waiting costs nothing; once begun, a picture is finished and its answer dropped.
    """

    def __init__(
        self, finder_factory: Callable[[], Finder], limits: ImageLimits | None = None, workers: int = 2
    ) -> None:
        """Make the threads' finders.

        Args:
            finder_factory: called `workers` times, here, so that a missing model file is known at the start.
            limits: what may be decoded at most.
            workers: pictures in work at the same time, ≥ 1.
        """
        # For the whole process: OpenCV's own threads would fight with these and with the inference's.
        cv2.setNumThreads(1)
        self._limits = limits or ImageLimits()
        self._workers = workers
        self._idle: queue.SimpleQueue[Finder] = queue.SimpleQueue()
        for _ in range(workers):
            self._idle.put(finder_factory())
        self._pool = ThreadPoolExecutor(workers, thread_name_prefix="detection")

    async def detect(self, image: bytes, *, whole_picture: bool = False, crop_px: int = 0) -> Detection:
        """Find every face, from left to right, and cut each out square at `crop_px` (0: no crops).

        With `whole_picture` nothing is searched: one face, its box the whole picture, score 1. Its crop shows the
        whole picture, unsqueezed: the shorter side is made as long as the longer one by repeating the border.
        `timings.queue_s` is the wait for a thread, `detection_s` the work.

        Raises:
            MienError: the bytes are not a picture that may be read (see `images.decode`).
        """
        called = time.perf_counter()
        # Cancelling this await cancels the pool's future, which drops the work if no thread has begun it.
        return await asyncio.get_running_loop().run_in_executor(
            self._pool, self._detect, image, whole_picture, crop_px, called
        )

    async def warm(self) -> None:
        """Let every finder do its first, slow search."""
        grey = np.full((_WARM_PX, _WARM_PX, 3), 128, np.uint8)
        loop = asyncio.get_running_loop()
        # The queue gives the finder that rested longest, so that as many searches as finders reach each of them.
        await asyncio.gather(*(loop.run_in_executor(self._pool, self._search, grey) for _ in range(self._workers)))

    def close(self) -> None:
        """Drop what waits, finish what has begun. No call may follow."""
        self._pool.shutdown(wait=True, cancel_futures=True)

    def _detect(self, data: bytes, whole_picture: bool, crop_px: int, called: float) -> Detection:
        begun = time.perf_counter()
        image = decode(data, self._limits)
        height, width = image.shape[:2]
        if whole_picture:
            faces = [Face(Box(0.0, 0.0, float(width), float(height)), 1.0)]
            squares = [Square(width / 2, height / 2, float(max(width, height)))]
        else:
            faces, squares = self._search(image)
        crops = np.zeros((0, 0, 0, 3), np.uint8)
        if crop_px:
            crops = np.zeros((len(faces), crop_px, crop_px, 3), np.uint8)
            for row, square in enumerate(squares):
                crops[row] = cut(image, square, crop_px)
        ended = time.perf_counter()
        timings = Timings(total_s=ended - called, detection_s=ended - begun, queue_s=begun - called)
        return Detection(width, height, tuple(faces), crops, timings)

    def _search(self, image: RGB) -> tuple[list[Face], list[Square]]:
        finder = self._idle.get()  # never waits: there are as many finders as threads
        try:
            faces = sorted(finder.find(image), key=lambda face: face.box.x)
            return faces, [finder.frame(face) for face in faces]
        finally:
            self._idle.put(finder)

"""`FaceDetector`: a photo's bytes → its faces and their crops. Satisfies the `Detector` port.

Decode → search → landmarks → crops, each in the detection's threads or in the models' batches, never on the event loop.
What finds the faces is a `Search`: `NetworkSearch` (the model repository's `face_detector`), or one of the thread-bound
`Finder`s in a `FinderSearch`: `CascadeFinder` (comes with OpenCV), `YuNetFinder` (a file that the deployer has).
"""

from __future__ import annotations

import time
from contextlib import AsyncExitStack
from functools import partial
from typing import Protocol

import numpy as np

from services import spans
from services.chassis.memory import PixelBudget
from services.chassis.threads import Spent, Threads
from services.chassis.turns import Turns
from services.detection.landmarker import FaceLandmarker
from services.domain import RGB, Box, Detection, Face, Square, Timings
from services.images import ImageLimits, cut, decode

_PIXELS_IN_WORK = 96_000_000  # decoded pictures and their canvases: about 290 MB
_CANVAS_SHARE, _CANVAS_PIXELS = 5, 4_000_000  # a picture's canvases: at most so many times its pixels, so many in all
_WARM_PX = 320


class Finder(Protocol):
    """Finds faces in a picture; used by one thread at a time."""

    def find(self, image: RGB) -> list[Face]:
        """Every face, in any order; none is found twice. Any picture of at least one pixel is fine."""

    def frame(self, face: Face) -> Square:
        """The square around a found face that the expression classifiers were trained on."""


class Search(Protocol):
    """Finds faces in a picture, for many callers at once; blocks nobody."""

    async def search(self, image: RGB, spent: Spent) -> list[Face]:
        """Every face, in any order; none is found twice. Any picture of at least one pixel is fine.

        Raises:
            MienError: QUEUE_FULL, DEADLINE_EXCEEDED, UNAVAILABLE, NOT_READY, where a model does it.
        """

    def frame(self, face: Face) -> Square:
        """The square around a found face that the expression classifiers were trained on."""

    def confirmed(self, face: Face, quality: float) -> bool:
        """Whether a found face counts, now that the landmarker has looked at it with this quality in [0, 1]."""

    async def warm(self) -> None:
        """Do everything once that is slow the first time."""


class FaceDetector:
    """Finds, reads and cuts out faces; a caller who leaves costs no more than the step that has begun."""

    def __init__(
        self,
        search: Search,
        threads: Threads,
        limits: ImageLimits | None = None,
        landmarker: FaceLandmarker | None = None,
    ) -> None:
        """Put the parts together.

        Args:
            threads: also those of the parts; closed with the detector.
            limits: what may be decoded at most.
            landmarker: where there is one, faces get 68 landmarks and action units, and their crops are aligned.
        """
        self._search, self._threads, self._landmarker = search, threads, landmarker
        self._limits = limits or ImageLimits()
        # No more pictures are decoded at once than there are threads, so that those begun are not behind those to come.
        self._decoding = Turns(threads.workers)
        self._memory = PixelBudget(_PIXELS_IN_WORK)

    async def detect(self, image: bytes, *, whole_picture: bool = False, crop_px: int = 0) -> Detection:
        """Find every face, from left to right, and cut each out square at `crop_px` (0: no crops).

        With `whole_picture` nothing is searched: one face, its box the whole picture, score 1. Its crop shows the
        whole picture, unsqueezed: the shorter side is made as long as the longer one by repeating the border.
        `timings.queue_s` is the wait for threads, memory and batches, `inference_s` the time in models, `detection_s`
        all but the wait.

        Raises:
            MienError: the bytes are not a picture that may be read (see `images.decode`), or a model cannot answer.
        """
        called, spent = time.perf_counter(), Spent()
        async with AsyncExitStack() as held:
            picture = await self._decoded(image, held, spent)
            height, width = picture.shape[:2]
            if whole_picture:
                faces = [Face(Box(0.0, 0.0, float(width), float(height)), 1.0)]
                frames = [Square(width / 2, height / 2, float(max(width, height)))]
            else:
                with spans.span("search"):
                    faces = sorted(await self._search.search(picture, spent), key=lambda face: face.box.x)
                frames = [self._search.frame(face) for face in faces]
            if self._landmarker and faces:
                with spans.span("align", {"faces": len(faces)}):
                    readings = await self._landmarker.read(picture, faces, frames, spent)
                if not whole_picture:
                    readings = [each for each in readings if self._search.confirmed(each.face, each.quality)]
                    frames = [each.square for each in readings]
                faces = [each.face for each in readings]
            crops = np.zeros((0, 0, 0, 3), np.uint8)
            if crop_px:
                work = partial(cut_all, picture, frames, crop_px)
                crops = await self._threads.do(spans.traced("cut", work), spent)
        total_s = time.perf_counter() - called
        timings = Timings(total_s, max(0.0, total_s - spent.queue_s), spent.queue_s, spent.inference_s)
        return Detection(width, height, tuple(faces), crops, timings)

    async def warm(self) -> None:
        """Let every part do its first, slow work.

        Raises:
            RepositoryError: a model is not the one that its role says.
        """
        await self._search.warm()
        if self._landmarker:
            grey = np.full((_WARM_PX, _WARM_PX, 3), 128, np.uint8)
            middle = Square(_WARM_PX / 2, _WARM_PX / 2, _WARM_PX / 2)
            self._landmarker.check()
            await self._landmarker.read(grey, [Face(Box(80.0, 80.0, 160.0, 160.0), 1.0)], [middle], Spent())

    def close(self) -> None:
        """Drop what waits, finish what has begun. No call may follow."""
        self._threads.close()

    async def _decoded(self, image: bytes, held: AsyncExitStack, spent: Spent) -> RGB:
        """The picture; the room for it is given back with `held`."""
        called = time.perf_counter()
        async with self._decoding:
            spent.queue_s += time.perf_counter() - called
            picture = await self._threads.do(spans.traced("decode", partial(decode, image, self._limits)), spent)
            pixels = picture.shape[0] * picture.shape[1]
            called = time.perf_counter()
            await held.enter_async_context(self._memory.held(pixels + min(_CANVAS_SHARE * pixels, _CANVAS_PIXELS)))
            spent.queue_s += time.perf_counter() - called
        return picture


def cut_all(image: RGB, squares: list[Square], side_px: int) -> RGB:
    """Each square of the picture: `[n, side_px, side_px, 3] uint8`."""
    crops = np.zeros((len(squares), side_px, side_px, 3), np.uint8)
    for row, square in enumerate(squares):
        crops[row] = cut(image, square, side_px)
    return crops

"""A `Search` by finders that keep state between calls, as OpenCV's do: there is one of them for each thread."""

from __future__ import annotations

import asyncio
import queue
from collections.abc import Callable
from functools import partial

import numpy as np

from services.chassis.threads import Spent, Threads
from services.detection.detector import Finder
from services.domain import RGB, Face, Square

_WARM_PX = 320


class FinderSearch:
    """Searches with the threads' own finders."""

    def __init__(self, finder_factory: Callable[[], Finder], threads: Threads) -> None:
        """Make the threads' finders.

        Args:
            finder_factory: called once for each thread, here, so that a missing model file is known at the start.
        """
        self._threads = threads
        finders = [finder_factory() for _ in range(threads.workers)]
        self._frame = finders[0].frame
        self._idle: queue.SimpleQueue[Finder] = queue.SimpleQueue()
        for finder in finders:
            self._idle.put(finder)

    async def search(self, image: RGB, spent: Spent) -> list[Face]:
        """See `Search.search`."""
        return await self._threads.do(partial(self._find, image), spent)

    def frame(self, face: Face) -> Square:
        """See `Search.frame`."""
        return self._frame(face)

    def confirmed(self, face: Face, quality: float) -> bool:
        """Always: what a finder gives it has looked at closely."""
        return True

    async def warm(self) -> None:
        """Let every finder do its first, slow search."""
        grey = np.full((_WARM_PX, _WARM_PX, 3), 128, np.uint8)
        # The queue gives the finder that rested longest, so that as many searches as finders reach each of them.
        await asyncio.gather(*(self.search(grey, Spent()) for _ in range(self._threads.workers)))

    def _find(self, image: RGB) -> list[Face]:
        finder = self._idle.get()  # never waits: there are as many finders as threads
        try:
            return finder.find(image)
        finally:
            self._idle.put(finder)

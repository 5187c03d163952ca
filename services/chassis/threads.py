"""The threads of a service's own work on pictures, and the account of one picture's time.

Everything that takes more than a moment runs here, never on the event loop: detection decodes, searches and cuts, the
gateway pastes and encodes.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

import cv2

T = TypeVar("T")


@dataclass(slots=True)
class Spent:
    """Where one picture's time went so far, in seconds.

    Attributes:
        queue_s: waiting: for a thread, for memory, for a batch.
        inference_s: in the models.
    """

    queue_s: float = 0.0
    inference_s: float = 0.0


class Threads:
    """`workers` threads; more work than that waits its turn."""

    def __init__(self, workers: int = 2, name: str = "work") -> None:
        # For the whole process: OpenCV's own threads would fight with these and with the inference's.
        cv2.setNumThreads(1)
        self.workers = workers
        self._pool = ThreadPoolExecutor(workers, thread_name_prefix=name)

    async def do(self, work: Callable[[], T], spent: Spent) -> T:
        """Do it in a thread. Work whose caller is cancelled is dropped if no thread has begun it, else finished."""
        called = time.perf_counter()

        def begin() -> tuple[float, T]:
            return time.perf_counter(), work()

        begun, result = await asyncio.get_running_loop().run_in_executor(self._pool, begin)
        spent.queue_s += begun - called
        return result

    def close(self) -> None:
        """Drop what waits, finish what has begun. No work may follow."""
        self._pool.shutdown(wait=True, cancel_futures=True)

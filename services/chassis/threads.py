"""The threads of a service's own work on pictures, and the account of one picture's time.

Everything that takes more than a moment runs here, never on the event loop: detection decodes, searches and cuts, the
gateway pastes and encodes.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, TypeVar

import cv2

from services import calls
from services.lanes import Lanes

T = TypeVar("T")


@dataclass(frozen=True, slots=True, eq=False)
class _Piece:
    """Work that waits for a thread."""

    work: Callable[[], Any]
    result: Future[Any]


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
    """`workers` threads; more work than that waits its turn, that of patient calls behind that of single ones.

    A piece that has begun is not interrupted: a single call waits for at most one patient piece of each thread.
    """

    def __init__(self, workers: int = 2, name: str = "work") -> None:
        # For the whole process: OpenCV's own threads would fight with these and with the inference's.
        cv2.setNumThreads(1)
        self.workers = workers
        self._pool = ThreadPoolExecutor(workers, thread_name_prefix=name)
        # The pool's own queue knows no turns: each entry there stands for whoever is first here when it comes up.
        self._waiting: Lanes[_Piece] = Lanes()
        self._lock = threading.Lock()

    async def do(self, work: Callable[[], T], spent: Spent) -> T:
        """Do it in a thread. Work whose caller is cancelled is dropped if no thread has begun it, else finished."""
        called = time.perf_counter()

        def begin() -> tuple[float, T]:
            return time.perf_counter(), work()

        piece = _Piece(begin, Future())
        with self._lock:
            self._waiting.put([piece], patient=calls.patient())
        self._pool.submit(self._next)
        answer: tuple[float, T] = await asyncio.wrap_future(piece.result)
        begun, result = answer
        spent.queue_s += begun - called
        return result

    def _next(self) -> None:
        with self._lock:
            piece = self._waiting.pop()
        if not piece.result.set_running_or_notify_cancel():
            return
        try:
            piece.result.set_result(piece.work())
        except BaseException as error:
            piece.result.set_exception(error)

    def close(self) -> None:
        """Drop what waits, finish what has begun. No work may follow."""
        self._pool.shutdown(wait=True, cancel_futures=True)
        while self._waiting:
            self._waiting.pop().result.cancel()

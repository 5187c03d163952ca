"""The queue that all connections share, and what each of them holds of it."""

from __future__ import annotations

import heapq
import threading
import time
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import count

from mien.batch.sources import Photo


@dataclass(slots=True, eq=False)
class Task:
    """A photo to ask about; `asked_again` counts the answers that said to try later."""

    photo: Photo
    asked_again: int = 0


class Work:
    """Photos that wait for an answer. Each is waiting here, or held by one `Hold`, or settled for good."""

    def __init__(self, photos: Iterable[Photo]) -> None:
        self._waiting = deque(map(Task, photos))
        self._later: list[tuple[float, int, Task]] = []
        self._numbers = count()
        self._unsettled = len(self._waiting)
        self._stopped = False
        self._changed = threading.Condition()

    def take(self) -> Task | None:
        """The next one, or None where nothing is to be had just now."""
        with self._changed:
            self._wake()
            return None if self._stopped or not self._waiting else self._waiting.popleft()

    def wait(self) -> bool:
        """Wait until there is something to take; False: there never will be."""
        with self._changed:
            while not self._stopped and self._unsettled:
                self._wake()
                if self._waiting:
                    return True
                self._changed.wait(max(self._later[0][0] - time.monotonic(), 0.0) if self._later else None)
            return False

    def put_back(self, tasks: Iterable[Task], delay_s: float = 0.0) -> None:
        """Give tasks up again; they come first, after the delay."""
        with self._changed:
            for task in tasks:
                heapq.heappush(self._later, (time.monotonic() + delay_s, next(self._numbers), task))
            self._changed.notify_all()

    def settle(self) -> None:
        """One of those taken has its answer."""
        with self._changed:
            self._unsettled -= 1
            self._changed.notify_all()

    def stop(self) -> None:
        with self._changed:
            self._stopped = True
            self._changed.notify_all()

    def pause(self, seconds: float) -> None:
        """Wait so long, or until there is nothing more to do."""
        deadline = time.monotonic() + seconds
        with self._changed:
            while not self._stopped and self._unsettled and (left := deadline - time.monotonic()) > 0:
                self._changed.wait(left)

    @property
    def finished(self) -> bool:
        with self._changed:
            return not self._unsettled

    def _wake(self) -> None:
        """Tasks whose delay has passed go to the front, in their order."""
        ready = []
        while self._later and self._later[0][0] <= time.monotonic():
            ready.append(heapq.heappop(self._later)[2])
        self._waiting.extendleft(reversed(ready))


class Hold:
    """What one stream has taken and not yet answered. gRPC may pull on after a stream broke: closed, it gives nothing,
    so that no photo is lost between two threads or has two answers."""

    def __init__(self, work: Work) -> None:
        self._work = work
        self._held: dict[str, Task] = {}
        self._numbers = count()
        self._closed = False
        self._lock = threading.Lock()

    def take(self) -> tuple[str, Task] | None:
        """The next task and its key on this stream."""
        with self._lock:
            task = None if self._closed else self._work.take()
            if task is None:
                return None
            key = str(next(self._numbers))  # a photo's id may be longer than the contract allows
            self._held[key] = task
            return key, task

    def release(self, key: str) -> Task | None:
        """The task of this key, no longer held; None where it was not held, or no longer."""
        with self._lock:
            return self._held.pop(key, None)

    def close(self) -> bool:
        """Put back what is held; whether there was any."""
        with self._lock:
            self._closed = True
            held = list(self._held.values())
            self._held.clear()
        self._work.put_back(held)
        return bool(held)

"""Who waits for a batch: callers' rows as requests of at most a batch full. Used by the batcher only."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from services.inference.backend import Tensors
from services.lanes import Lanes


@dataclass(frozen=True, slots=True)
class Answer:
    """A request's rows, and when its batch started and ended on the event loop's clock."""

    outputs: Tensors
    started: float
    ended: float


@dataclass(frozen=True, slots=True, eq=False)
class Request:
    """Rows of one caller that stay together. `since` and `deadline` are on the event loop's clock.

    The caller awaits `answer`; when the caller leaves, `answer` is cancelled, and that is all the notice there is.
    """

    inputs: Tensors
    rows: int
    since: float
    deadline: float
    answer: asyncio.Future[Answer]

    def gone(self, now: float) -> bool:
        """Whether nobody wants the answer any more."""
        return self.answer.done() or now >= self.deadline

    def joins(self, other: Request) -> bool:
        """Whether both fit one batch: where a model takes any size, sizes must still be equal within a batch."""
        return all(self.inputs[name].shape[1:] == array.shape[1:] for name, array in other.inputs.items())


class Queue:
    """Requests in the order they came, but those of single calls before patient ones (`lanes` says how long)."""

    def __init__(self, changed: Callable[[int], None]) -> None:
        """`changed` is called with the number of waiting rows whenever it may have changed."""
        self._requests: Lanes[Request] = Lanes()
        self._changed = changed
        self.rows = 0

    def __len__(self) -> int:
        return len(self._requests)

    def since(self) -> float:
        """When the request that has waited longest came."""
        return min(lane[0].since for lane in (self._requests.hurried, self._requests.patient) if lane)

    def hurried(self) -> Sequence[Request]:
        """Those that are not patient."""
        return self._requests.hurried

    def put(self, requests: Sequence[Request], *, patient: bool = False) -> None:
        """Add at the end of their line."""
        self._requests.put(requests, patient=patient)
        self._count(sum(request.rows for request in requests))

    def next(self, most: int, now: float) -> list[Request]:
        """The next batch if it were taken now: at most `most` rows, none of them gone."""
        batch: list[Request] = []
        rows = 0
        for request in self._requests:
            if request.gone(now):
                continue
            rows += request.rows
            if rows > most or (batch and not request.joins(batch[0])):
                break
            batch.append(request)
        return batch

    def take(self, most: int, now: float) -> list[Request]:
        """Remove the next batch, and those who are gone and would be next; all of them where nobody else is left."""
        batch = self.next(most, now)
        removed = self._requests.take(set(batch), lambda request: request.gone(now))
        self._count(-sum(request.rows for request in removed))
        return batch

    def leave(self, requests: Sequence[Request]) -> None:
        """Give up what has no answer yet, wherever it is."""
        for request in requests:
            request.answer.cancel()  # changes nothing where there is an answer
            if request.answer.cancelled():
                with suppress(ValueError):  # taken already
                    self._requests.remove(request)
                    self._count(-request.rows)

    def _count(self, rows: int) -> None:
        self.rows += rows
        self._changed(self.rows)


def split(inputs: Tensors, most: int, since: float, deadline: float) -> list[Request]:
    """One caller's rows as requests of at most `most` rows, in order."""
    rows, loop = len(next(iter(inputs.values()))), asyncio.get_running_loop()
    return [
        Request(cut(inputs, at, at + most), min(most, rows - at), since, deadline, loop.create_future())
        for at in range(0, rows, most)
    ]


def cut(tensors: Tensors, start: int, stop: int) -> dict[str, NDArray[Any]]:
    """Rows from `start` up to `stop`, without a copy."""
    return {name: array[start:stop] for name, array in tensors.items()}


def join(parts: Sequence[Tensors]) -> Tensors:
    """All rows, in order; a single part as it is, and nothing of none."""
    if len(parts) <= 1:
        return parts[0] if parts else {}
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}

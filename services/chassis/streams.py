"""Streams of items: many requests on one call, worked at concurrently, answered in the order in which they came.

An item is a single call in all but its transport: it has a deadline of its own, and its failure is its answer. It is
patient (`calls.patient`): single calls go before it, and it waits where they would be refused. Nothing is read beyond
the window, so whoever does not read answers is not answered, and costs no more memory than the window.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Protocol

from mien.v1 import mien_pb2 as pb
from services import calls, spans
from services.chassis import failures, guard
from services.chassis.windows import Room, Window
from services.errors import TABLE, Kind, MienError
from services.metrics import Metrics

MOST_ID_CHARACTERS = 256


class Request(Protocol):
    """What an item's message must have; `deadline_s` 0 = none of its own."""

    @property
    def id(self) -> str: ...
    @property
    def item(self) -> Any: ...
    @property
    def deadline_s(self) -> float: ...
    def ByteSize(self) -> int: ...  # noqa: N802 (protobuf's name)


@dataclass(frozen=True, slots=True)
class Method:
    """One streaming method.

    Attributes:
        work: answers one item's message, or raises.
        reply: the class of its answers, with `id` and one of `result`, `error` and `window`.
    """

    name: str
    work: Callable[[Any], Awaitable[Any]]
    reply: Callable[..., Any]


@dataclass(frozen=True, slots=True)
class _Begun:
    id: str
    size: int
    arrived: float
    outcome: asyncio.Task[Any]


class Streams:
    """Answers the streams of a service."""

    def __init__(self, window: Window, timeout_s: float, stopping: asyncio.Event, metrics: Metrics) -> None:
        """Prepare to.

        Args:
            timeout_s: the longest that an item may take, from its arrival.
            stopping: set when the process stops: nothing more is read then.
        """
        self._window, self._timeout_s, self._stopping, self._metrics = window, timeout_s, stopping, metrics

    async def answer(
        self, method: Method, requests: AsyncIterator[Request], write: Callable[[Any], Awaitable[None]]
    ) -> None:
        """Answer one stream; cancel the task to give up all that is in work.

        Raises:
            MienError: NOT_READY, the process stops; what was read has been answered.
        """
        window = self._window
        await write(
            method.reply(
                window=pb.StreamWindow(items=window.items, bytes=window.bytes, message_bytes=window.message_bytes)
            )
        )
        stream = _Stream(method, self._metrics, Room(window), self._timeout_s)
        reading = asyncio.create_task(stream.read(requests, self._stopping))
        try:
            await stream.write(write)
            if not await reading:
                raise MienError(
                    Kind.NOT_READY, "The service is stopping; send what has no answer yet again.", retry_after_s=1.0
                )
        finally:
            await stream.end(reading)


class _Stream:
    """One stream: `read` and `write` run side by side."""

    def __init__(self, method: Method, metrics: Metrics, room: Room, timeout_s: float) -> None:
        self._method, self._room, self._timeout_s = method, room, timeout_s
        self._count, self._in_flight = metrics.stream_items, metrics.stream_items_in_flight.labels(method.name)
        self._duration = metrics.stream_item_duration.labels(method.name)
        self._begun: asyncio.Queue[_Begun | None] = asyncio.Queue()  # bounded by the room
        self._working: set[asyncio.Task[Any]] = set()
        self._items = self._errors = 0

    async def read(self, requests: AsyncIterator[Request], stopping: asyncio.Event) -> bool:
        """Begin items as they come and find room; True: the caller has sent all, False: the process stops."""
        stop = asyncio.create_task(stopping.wait())
        try:
            while not stopping.is_set():
                await self._room.free()
                reading = asyncio.ensure_future(_next(requests))
                try:
                    await asyncio.wait({reading, stop}, return_when=asyncio.FIRST_COMPLETED)
                    if not reading.done():
                        return False
                finally:
                    reading.cancel()
                request = reading.result()
                if request is None:
                    return True
                await self._begin(request)
            return False
        finally:
            stop.cancel()
            self._begun.put_nowait(None)

    async def _begin(self, request: Request) -> None:
        arrived, size = time.monotonic(), request.ByteSize()
        await self._room.take(size)
        self._in_flight.inc()
        task = asyncio.create_task(self._work(request, arrived))
        self._working.add(task)
        task.add_done_callback(self._working.discard)
        self._begun.put_nowait(_Begun(request.id[:MOST_ID_CHARACTERS], size, arrived, task))

    async def write(self, write: Callable[[Any], Awaitable[None]]) -> None:
        """Write the answers in order, until `read` has ended and all have left."""
        while begun := await self._begun.get():
            outcome = await begun.outcome
            failed = isinstance(outcome, MienError)
            await write(
                self._method.reply(id=begun.id, **({"error": _error(outcome)} if failed else {"result": outcome}))
            )
            self._room.give(begun.size)
            self._in_flight.dec()
            self._items += 1
            self._errors += failed
            self._count.labels(self._method.name, outcome.kind.value if failed else "ok").inc()
            self._duration.observe(time.monotonic() - begun.arrived)

    async def end(self, reading: asyncio.Task[bool]) -> None:
        """Cancel what is still in work, and close the account.

        All of it before anything is awaited: where an answer was being written, gRPC cancels this very task once more.
        """
        tasks = [reading, *self._working]
        for task in tasks:
            task.cancel()
        self._in_flight.dec(self._room.items)
        self._count.labels(self._method.name, Kind.CANCELLED.value).inc(self._room.items)
        calls.note(items=self._items, errors=self._errors)
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _work(self, request: Request, arrived: float) -> Any:
        """The item's result, or the `MienError` that it has instead."""
        with spans.serving(f"{self._method.name} item", {}) as span:  # a trace of its own: streams have millions
            span.note({"request_id": calls.request_id()})
            try:
                timeout_s = self._allowed_s(request) - (time.monotonic() - arrived)
                stream_s = calls.remaining_s()
                if stream_s is not None:
                    timeout_s = min(timeout_s, stream_s)
                with calls.answering(calls.request_id(), timeout_s, patient=True):
                    async with asyncio.timeout(timeout_s):
                        return await self._method.work(request.item)
            except Exception as error:
                failure = failures.known(error)
                span.fail(failure.kind)
                return failure

    def _allowed_s(self, request: Request) -> float:
        if len(request.id) > MOST_ID_CHARACTERS:
            raise MienError(Kind.BAD_PARAMETER, f"An id may have at most {MOST_ID_CHARACTERS} characters.", field="id")
        if not 0 <= request.deadline_s < math.inf:
            raise MienError(
                Kind.BAD_PARAMETER, "deadline_s must be 0 or a number of seconds above it.", field="deadline_s"
            )
        return min(request.deadline_s or math.inf, self._timeout_s)


async def _next(requests: AsyncIterator[Request]) -> Request | None:
    """The next item, once its caller's key allows one more; None: there is none."""
    request = await anext(requests, None)
    if request is not None:
        await guard.paced()
    return request


def _error(error: MienError) -> pb.ItemError:
    return pb.ItemError(
        code=error.kind.value,
        detail=error.detail,
        field=error.field,
        retryable=TABLE[error.kind].retryable,
        retry_after_s=error.retry_after_s,
    )

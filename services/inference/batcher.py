"""Joins the rows of many callers into batches: one batcher per model, all on the event loop but inference itself.

A batch is due when it is full, or when its first row has waited `max_queue_delay_s`. Its rows are joined ahead while
all instances run, but who is in it is settled only when one is idle: until then others may come in, and a caller that
left or whose deadline passed is dropped before inference and its place goes to others. Rows keep their order and their
owner; a bad item fails alone. Patient rows fill the places that single calls leave; a batch that runs is not broken off
for anybody.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from math import inf
from typing import Protocol

from services.domain import ModelVersion
from services.errors import Kind, MienError
from services.inference.backend import Batching, Inference, Tensors
from services.inference.queue import Answer, Queue, Request, cut, join, split

log = logging.getLogger(__name__)

Run = Callable[[Tensors], Tensors]
"""Blocking inference, called from as many threads as there are instances: as many rows out as in."""


class Observer(Protocol):
    """Is told what happens, on the event loop, for the metrics; must neither block nor raise."""

    def loaded(self, model: ModelVersion, load_s: float) -> None:
        """A model can answer: it took so long to load and warm it up."""

    def serves(self, model: ModelVersion, serving: bool) -> None:
        """A version is loaded from now on, or no more."""

    def queued(self, model: ModelVersion, rows: int) -> None:
        """So many rows wait for a batch now."""

    def waited(self, model: ModelVersion, queue_s: float) -> None:
        """A caller was answered, having waited so long for its (first) batch."""

    def inferred(self, model: ModelVersion, rows: int, inference_s: float) -> None:
        """A batch ran."""

    def broke(self, model: ModelVersion, reason: Kind) -> None:
        """A batch failed; if it had several requests, each is tried alone."""

    def dropped(self, model: ModelVersion, reason: Kind) -> None:
        """A caller got no answer: QUEUE_FULL, DEADLINE_EXCEEDED, CANCELLED, UNAVAILABLE or NOT_READY."""


class Batcher:
    """One model's queue and instances. Make it inside a running event loop."""

    def __init__(self, model: ModelVersion, batching: Batching, run: Run, observer: Observer) -> None:
        self._model, self._batching, self._run, self._observer = model, batching, run, observer
        self._loop = asyncio.get_running_loop()
        self._threads = ThreadPoolExecutor(batching.instances, thread_name_prefix=model.name)
        self._idle = asyncio.Semaphore(batching.instances)
        self._queue = Queue(self._queue_changed)
        self._changed = asyncio.Event()
        self._row_s = 0.0  # what a row costs lately, in seconds of one instance
        self._closing = False
        self._running: set[asyncio.Task[None]] = set()
        self._collector = asyncio.create_task(self._collect())

    def alive(self) -> bool:
        """Whether it takes work."""
        return not self._closing and not self._collector.done()

    async def submit(self, inputs: Tensors, *, deadline_s: float | None, patient: bool = False) -> Inference:
        """Answer one caller's rows; the arrays must be what the model takes, and stay as they are until the answer.

        Args:
            deadline_s: seconds from now within which the answer is wanted; None: whenever.
            patient: these rows wait behind those of others, and are not refused where the queue is full: whoever sends
                them bounds how many there are (the window of a stream).

        Raises:
            MienError: QUEUE_FULL (at once, with `retry_after_s`), DEADLINE_EXCEEDED, UNAVAILABLE, NOT_READY.
        """
        try:
            inference = await self._answer(inputs, deadline_s, patient)
        except MienError as error:
            self._observer.dropped(self._model, error.kind)
            raise
        except asyncio.CancelledError:
            self._observer.dropped(self._model, Kind.CANCELLED)
            raise
        self._observer.waited(self._model, inference.queue_s)
        return inference

    async def close(self) -> None:
        """Refuse new work, finish what is queued and running."""
        self._closing = True
        self._changed.set()
        await asyncio.wait([self._collector])
        if self._running:
            await asyncio.wait(self._running)
        self._threads.shutdown()

    async def _answer(self, inputs: Tensors, deadline_s: float | None, patient: bool) -> Inference:
        if not self.alive():
            raise MienError(Kind.NOT_READY, "The service is stopping; ask again later.")
        now = self._loop.time()
        deadline = inf if deadline_s is None else now + deadline_s
        requests = split(inputs, self._batching.max_batch_size, now, deadline)
        bound, before = self._batching.max_queue_size, self._queue.hurried()
        # with nobody waiting even a caller that alone is over the bound is let in: later would be no better
        if bound and before and not patient and len(before) + len(requests) > bound:
            wait_s = sum(request.rows for request in before) * self._row_s / self._batching.instances
            raise MienError(Kind.QUEUE_FULL, "Too many requests are waiting; ask again later.", retry_after_s=wait_s)
        self._queue.put(requests, patient=patient)
        try:
            async with asyncio.timeout_at(None if deadline_s is None else deadline):
                answers = await asyncio.gather(*(request.answer for request in requests))
        except TimeoutError:
            raise MienError(Kind.DEADLINE_EXCEEDED, "The answer was not ready by the deadline.") from None
        finally:
            self._queue.leave(requests)
        started = min(answer.started for answer in answers)
        ended = max(answer.ended for answer in answers)
        outputs = join([answer.outputs for answer in answers])
        return Inference(outputs, started - now, ended - started, self._model.version)

    def _queue_changed(self, rows: int) -> None:
        self._observer.queued(self._model, rows)
        self._changed.set()

    async def _collect(self) -> None:
        most = self._batching.max_batch_size
        while await self._due():
            ahead = self._queue.next(most, self._loop.time())
            inputs = self._joined(ahead)
            await self._idle.acquire()
            batch = self._queue.take(most, self._loop.time())
            if batch != ahead:  # while all instances were busy somebody left, or others took the place
                inputs = self._joined(batch)
            if not inputs:
                self._idle.release()
                continue
            task = asyncio.create_task(self._serve(batch, inputs))
            self._running.add(task)
            task.add_done_callback(self._running.discard)

    def _joined(self, batch: list[Request]) -> Tensors:
        """The batch's rows; nothing where nobody is left, or where there is no memory for them."""
        try:
            return join([request.inputs for request in batch])
        except Exception:
            self._fail(batch)
            return {}

    async def _due(self) -> bool:
        """Wait until a batch is due (see the head of this file); False: closed, and nobody waits."""
        while self._queue or not self._closing:
            if self._closing or self._queue.rows >= self._batching.max_batch_size:
                return True
            wait_s = None
            if self._queue:
                wait_s = self._queue.since() + self._batching.max_queue_delay_s - self._loop.time()
                if wait_s <= 0:
                    return True
            self._changed.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout(wait_s):
                    await self._changed.wait()
        return False

    async def _serve(self, batch: list[Request], inputs: Tensors) -> None:
        try:
            await self._infer(batch, inputs)
        finally:
            self._idle.release()

    async def _infer(self, batch: list[Request], inputs: Tensors) -> None:
        rows = sum(request.rows for request in batch)
        started = self._loop.time()
        try:
            outputs = await self._loop.run_in_executor(self._threads, self._run, inputs)
            if any(len(array) != rows for array in outputs.values()):
                raise ValueError(f"{rows} rows in, another number out")
        except Exception:
            self._observer.broke(self._model, Kind.UNAVAILABLE)
            if len(batch) == 1:
                self._fail(batch)
                return
            log.warning("model %s: a batch of %d requests failed, each is tried alone", self._model.name, len(batch))
            for request in batch:
                if not request.gone(self._loop.time()):
                    await self._infer([request], request.inputs)
            return
        ended = self._loop.time()
        self._observer.inferred(self._model, rows, ended - started)
        row_s = (ended - started) / rows
        self._row_s = 0.8 * self._row_s + 0.2 * row_s if self._row_s else row_s
        at = 0
        for request in batch:
            if not request.answer.done():
                request.answer.set_result(Answer(cut(outputs, at, at + request.rows), started, ended))
            at += request.rows

    def _fail(self, batch: list[Request]) -> None:
        log.exception("model %s failed", self._model.name)  # the callers get none of it
        for request in batch:
            if not request.answer.done():
                request.answer.set_exception(
                    MienError(Kind.UNAVAILABLE, "The model could not answer; ask again later.")
                )

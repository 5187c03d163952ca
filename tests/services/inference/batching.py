"""A batcher on a fake model: an int64 row `x` is answered by `3 x + 1`; negative rows make it fail."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from services.domain import ModelVersion
from services.errors import MienError
from services.inference.backend import Batching, Inference, Tensors
from services.inference.batcher import Batcher
from tests.services.inference.observers import Ledger

Rows = NDArray[np.int64]
LATE_S = 5.0  # far more than a busy machine is ever late, far less than for ever


class Model:
    """The fake; while its gate is closed, batches that have begun stay in it."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []
        self.gate = threading.Event()
        self.gate.set()
        self.most_at_once = self._at_once = 0
        self._lock = threading.Lock()

    def __call__(self, inputs: Tensors) -> Tensors:
        with self._lock:
            self.batches.append(inputs["x"][:, 0].tolist())
            self._at_once += 1
            self.most_at_once = max(self.most_at_once, self._at_once)
        assert self.gate.wait(30)
        with self._lock:
            self._at_once -= 1
        if (inputs["x"] < 0).any():
            raise RuntimeError("secret of the house")
        return {"y": inputs["x"] * 3 + 1}

    @property
    def seen(self) -> list[int]:
        return [row for batch in self.batches for row in batch]


class Bench:
    """A batcher, its fake model and its ledger."""

    def __init__(self, batching: Batching) -> None:
        self.model, self.ledger = Model(), Ledger()
        self.batcher = Batcher(ModelVersion("toy", 1), batching, self.model, self.ledger)

    def ask(self, rows: Rows, deadline_s: float | None = None, *, patient: bool = False) -> asyncio.Task[Inference]:
        return asyncio.create_task(self.batcher.submit({"x": rows}, deadline_s=deadline_s, patient=patient))


@asynccontextmanager
async def bench(**batching: Any) -> AsyncIterator[Bench]:
    made = Bench(Batching(**batching))
    try:
        yield made
    finally:
        made.model.gate.set()
        await made.batcher.close()
        assert made.ledger.rows == 0, "everybody has left the queue"


@asynccontextmanager
async def busy(**batching: Any) -> AsyncIterator[Bench]:
    """A bench whose instances all hold a batch of row 0, until the gate opens."""
    async with bench(**batching) as made:
        made.model.gate.clear()
        holders: list[asyncio.Task[Inference]] = []
        for _ in range(batching.get("instances", 1)):
            holders.append(made.ask(rows_of(0)))
            await until(lambda: len(made.model.batches) == len(holders))
        yield made
        made.model.gate.set()
        await asyncio.gather(*holders)


def rows_of(*values: int) -> Rows:
    return np.array(values, np.int64)[:, None]


async def until(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(LATE_S):
        while not true():  # noqa: ASYNC110 - the model runs in a thread, there is no event to wait for
            await asyncio.sleep(0.001)


async def settled() -> None:
    """Let every task run until it waits."""
    for _ in range(20):
        await asyncio.sleep(0)


async def error_of(task: asyncio.Task[Inference]) -> MienError:
    with pytest.raises(MienError) as caught:
        await task
    return caught.value

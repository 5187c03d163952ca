"""The gateway without a server: asked in this process, with the models in it. It answers as the served one does.

`mien.batch` loads it by its name in workers of a cluster (`mien classify --engine ray`). Beside `app` it is a
root that reads settings. `Gateway` has those methods of the generated stub that a batch needs, called in the same way.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Coroutine, Iterator
from contextlib import AsyncExitStack
from queue import SimpleQueue
from typing import Any, TypeVar

from pydantic import ValidationError

from mien.v1 import mien_pb2 as pb
from services import app
from services.chassis import server
from services.gateway.rpc import Servicer
from services.inference.repository import RepositoryError
from services.settings import Settings

_ROLES = ("gateway", "detection", "classification")
T = TypeVar("T")


class Gateway:
    """Holds the models from its making until `close`; for any thread but its own."""

    def __init__(self) -> None:
        """Load the models that the settings (`MIEN_*`) name.

        Raises:
            ValueError: a setting or the model repository is not valid; one sentence on it.
        """
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="offline", daemon=True)
        self._thread.start()
        try:
            self._parts, self._servicer = self._wait(_started())
        except ValidationError as error:
            first = error.errors()[0]
            raise ValueError(f"MIEN_{'_'.join(map(str, first['loc'])).upper()}: {first['msg']}") from None
        except (OSError, RepositoryError) as error:
            raise ValueError(str(error)) from None

    def ListModels(self) -> pb.ListModelsResponse:  # noqa: N802 (the contract's name)
        """The classifiers that can be asked for."""
        return self._wait(self._servicer.classifiers())

    def ClassifyStream(self, requests: Iterator[pb.GatewayClassifyStreamRequest]) -> Stream:  # noqa: N802
        """As the gateway's, window and all; the requests are pulled in a thread of their own."""
        return Stream(self._servicer, requests, self._loop)

    def close(self) -> None:
        """Give the models back. No call may follow."""
        self._wait(_closed(self._parts))
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()

    def _wait(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()


class Stream:
    """One stream being answered: iterate over its replies, or cancel it."""

    def __init__(
        self,
        servicer: Servicer,
        requests: Iterator[pb.GatewayClassifyStreamRequest],
        loop: asyncio.AbstractEventLoop,
    ) -> None:
        self._replies: SimpleQueue[pb.GatewayClassifyStreamResponse | None] = SimpleQueue()
        self._answering = asyncio.run_coroutine_threadsafe(
            servicer.classify_stream(_pulled(requests), self._write), loop
        )
        self._answering.add_done_callback(lambda _: self._replies.put(None))

    def __iter__(self) -> Iterator[pb.GatewayClassifyStreamResponse]:
        while (reply := self._replies.get()) is not None:
            yield reply
        self._answering.result()

    def cancel(self) -> None:
        """Give up what is in work; nothing where all is answered."""
        self._answering.cancel()

    async def _write(self, reply: pb.GatewayClassifyStreamResponse) -> None:
        self._replies.put(reply)


async def _pulled(requests: Iterator[T]) -> AsyncIterator[T]:
    while (request := await asyncio.to_thread(next, requests, None)) is not None:
        yield request


async def _started() -> tuple[app.Parts, Servicer]:
    parts = app.wire(Settings(), _ROLES, server.Lifecycle(serving=True))
    for step in parts.start:
        await step()
    assert parts.gateway is not None
    return parts, parts.gateway


async def _closed(parts: app.Parts) -> None:
    async with AsyncExitStack() as stack:
        for step in parts.close:
            stack.push_async_callback(step)

"""The gRPC client for asyncio: as `mien.client`, awaited.

async with AsyncClient("127.0.0.1:50051") as client:
    reply = await client.classify(photo)
    async for outcome in client.classify_stream([("one", photo), ("two", another)]):
        print(outcome.id, outcome.error or len(outcome.result.faces))
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Iterable
from functools import partial
from types import TracebackType
from typing import Any, Unpack

import grpc

from mien import requests
from mien.access import Access, Tls
from mien.async_streaming import outcomes
from mien.outcomes import CallError, Outcome, call_error
from mien.requests import Wish
from mien.retries import Retries
from mien.v1 import mien_pb2 as pb
from mien.v1 import mien_pb2_grpc

__all__ = ["AsyncClient", "CallError", "Outcome", "Tls"]

Items = Iterable[tuple[str, bytes]] | AsyncIterable[tuple[str, bytes]]


class AsyncClient:
    """One channel to a gateway, for one event loop; make it inside that.

    Its streams are those of `mien.client.Client`, but items are pulled on the event loop: what has to wait for them is
    an async iterable. To leave a stream early, close it (`contextlib.aclosing`).
    """

    def __init__(
        self,
        address: str = "127.0.0.1:50051",
        *,
        timeout_s: float = 30.0,
        retries: int = 2,
        key: str = "",
        tls: Tls | None = None,
    ) -> None:
        """Connect when first used.

        Args:
            timeout_s: each single call's deadline, its retries included.
            retries: how often a call is made again that failed and may succeed later.
            key: where the gateway asks for one. Without TLS whoever is on the way can read it.
            tls: where the gateway has it.

        Raises:
            ValueError: no key looks like that.
            OSError: a file of `tls` cannot be read.
        """
        self._metadata = Access(key).metadata()
        self._channel = (
            grpc.aio.secure_channel(address, tls.credentials(), options=requests.CHANNEL_OPTIONS)
            if tls
            else grpc.aio.insecure_channel(address, options=requests.CHANNEL_OPTIONS)
        )
        self._stub = mien_pb2_grpc.GatewayStub(self._channel)
        self._timeout_s, self._retries = timeout_s, retries

    async def classify(
        self, image: bytes, *, model: str = "", whole_picture: bool = False, explain: bool = False
    ) -> pb.GatewayClassifyResponse:
        """Every face of a photo and what it shows; with `explain` also what in it speaks for that.

        Raises:
            CallError: with the reason.
        """
        request = requests.classify(image, model=model, whole_picture=whole_picture, explain=explain)
        reply: pb.GatewayClassifyResponse = await self._call(self._stub.Classify, request)
        return reply

    async def detect(self, image: bytes) -> pb.GatewayDetectResponse:
        """Every face of a photo."""
        reply: pb.GatewayDetectResponse = await self._call(self._stub.Detect, requests.detect(image))
        return reply

    async def generate(self, image: bytes, **wish: Unpack[Wish]) -> pb.GatewayGenerateResponse:
        """The photo with another expression on its faces, marked as synthetic; PNG, or JPEG where asked for.

        Raises:
            CallError: with the reason.
        """
        reply: pb.GatewayGenerateResponse = await self._call(self._stub.Generate, requests.generate(image, wish))
        return reply

    async def models(self) -> pb.ListModelsResponse:
        """The models that the gateway can be asked for."""
        reply: pb.ListModelsResponse = await self._call(self._stub.ListModels, pb.ListModelsRequest())
        return reply

    def classify_stream(
        self, items: Items, *, model: str = "", whole_picture: bool = False, deadline_s: float = 0.0
    ) -> AsyncGenerator[Outcome, None]:
        """`classify` for many photos; results are `GatewayClassifyResponse`."""
        messages = (
            pb.GatewayClassifyStreamRequest(
                id=name,
                item=requests.classify(image, model=model, whole_picture=whole_picture),
                deadline_s=deadline_s,
            )
            async for name, image in _each(items)
        )
        return outcomes(partial(self._stub.ClassifyStream, metadata=self._metadata), messages)

    def detect_stream(self, items: Items, *, deadline_s: float = 0.0) -> AsyncGenerator[Outcome, None]:
        """`detect` for many photos; results are `GatewayDetectResponse`."""
        messages = (
            pb.GatewayDetectStreamRequest(id=name, item=requests.detect(image), deadline_s=deadline_s)
            async for name, image in _each(items)
        )
        return outcomes(partial(self._stub.DetectStream, metadata=self._metadata), messages)

    def generate_stream(
        self, items: Items, *, deadline_s: float = 0.0, **wish: Unpack[Wish]
    ) -> AsyncGenerator[Outcome, None]:
        """`generate` for many photos; results are `GatewayGenerateResponse`."""
        messages = (
            pb.GatewayGenerateStreamRequest(id=name, item=requests.generate(image, wish), deadline_s=deadline_s)
            async for name, image in _each(items)
        )
        return outcomes(partial(self._stub.GenerateStream, metadata=self._metadata), messages)

    async def close(self) -> None:
        await self._channel.close()

    async def __aenter__(self) -> AsyncClient:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def _call(self, method: Any, request: Any) -> Any:
        retries, tries = Retries(self._retries, time.monotonic() + self._timeout_s), 0
        while True:
            try:
                return await method(request, timeout=retries.remaining_s(), metadata=self._metadata)
            except grpc.aio.AioRpcError as failure:
                error = call_error(failure)
            tries += 1
            await asyncio.sleep(retries.pause_s(error, tries))


async def _each(items: Items) -> AsyncIterator[tuple[str, bytes]]:
    if isinstance(items, AsyncIterable):
        async for item in items:
            yield item
    else:
        for item in items:
            yield item

"""A real gRPC server on this event loop, with the chassis around a toy gateway whose work the tests hold by gates."""

from __future__ import annotations

import asyncio
import math
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import grpc

from mien.v1 import mien_pb2 as pb
from mien.v1 import mien_pb2_grpc
from services import calls
from services.chassis.admission import Admission
from services.chassis.rpc import Edge, Terms
from services.chassis.streams import Method, Streams
from services.chassis.windows import Window
from services.errors import Kind, MienError
from services.metrics import Metrics

LATE_S = 60.0  # far more than a busy machine is ever late


class Toy(mien_pb2_grpc.GatewayServicer):
    """Answers with the picture's size as its width. `model` says what becomes of a request:

    "gate:NAME" waits for that gate; "bad" is not an image; "defect" fails as nobody foresaw; "large" has an answer of
    two million bytes.
    """

    def __init__(self, streams: Streams) -> None:
        self._streams = streams
        self.gates: dict[str, asyncio.Event] = defaultdict(asyncio.Event)
        self.begun: list[int] = []
        self.ended: list[int] = []
        self.cancelled: list[int] = []
        self.patience: list[bool] = []
        self.failures: list[MienError] = []

    async def Classify(self, request: pb.GatewayClassifyRequest, context: Any) -> pb.GatewayClassifyResponse:  # noqa: N802
        return await self.work(request)

    async def ClassifyStream(self, requests: Any, context: Any) -> None:  # noqa: N802
        method = Method("ClassifyStream", self.work, pb.GatewayClassifyStreamResponse)
        await self._streams.answer(method, requests, context.write)

    async def work(self, request: pb.GatewayClassifyRequest) -> pb.GatewayClassifyResponse:
        size = len(request.image)
        self.begun.append(size)
        self.patience.append(calls.patient())
        if self.failures:
            raise self.failures.pop(0)
        if request.model == "bad":
            raise MienError(Kind.NOT_AN_IMAGE, "The data is not an image.", field="image")
        if request.model == "defect":
            raise RuntimeError("secret of the house")
        try:
            if request.model.startswith("gate:"):
                await self.gates[request.model.removeprefix("gate:")].wait()
        except asyncio.CancelledError:
            self.cancelled.append(size)
            raise
        self.ended.append(size)
        name = "x" * 2_000_000 if request.model == "large" else "toy"
        return pb.GatewayClassifyResponse(image=pb.ImageSize(width=size), model=pb.ModelVersion(name=name))


@dataclass(frozen=True, slots=True)
class Served:
    """A running toy."""

    address: str
    toy: Toy
    metrics: Metrics
    stopping: asyncio.Event
    single: Admission
    patient: Admission
    calls: list[Any] = field(default_factory=list)

    def stream(self, stub: mien_pb2_grpc.GatewayStub, **options: Any) -> Any:
        call = stub.ClassifyStream(**options)
        self.calls.append(call)
        return call

    def in_flight(self) -> float:
        return self.metrics.registry.get_sample_value("mien_stream_items_in_flight", {"method": "ClassifyStream"}) or 0

    def counted(self, code: str) -> float:
        labels = {"method": "ClassifyStream", "code": code}
        return self.metrics.registry.get_sample_value("mien_stream_items_total", labels) or 0


@asynccontextmanager
async def serving(
    *,
    items: int = 8,
    bytes: int = 1 << 20,
    message_bytes: int = 8 << 20,
    max_streams: int = 4,
    max_calls: int = 4,
    timeout_s: float = LATE_S,
) -> AsyncIterator[Served]:
    """Serve a toy until the block ends."""
    metrics, stopping = Metrics("test"), asyncio.Event()
    toy = Toy(Streams(Window(items, bytes, message_bytes), timeout_s, stopping, metrics))
    single, patient = Admission(max_calls), Admission(max_calls)
    edge = Edge(
        "gateway",
        metrics,
        single=Terms(single, LATE_S),
        patient=Terms(patient, LATE_S),
        streams=Terms(Admission(max_streams, "streams"), math.inf),
        max_message_bytes=message_bytes,
    )
    server = grpc.aio.server(interceptors=[edge], options=[("grpc.max_receive_message_length", message_bytes)])
    mien_pb2_grpc.add_GatewayServicer_to_server(toy, server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    served = Served(f"127.0.0.1:{port}", toy, metrics, stopping, single, patient)
    try:
        yield served
    finally:
        for call in served.calls:
            call.cancel()
        await server.stop(0)


@asynccontextmanager
async def stub_of(served: Served) -> AsyncIterator[mien_pb2_grpc.GatewayStub]:
    """The generated stub, for tests that must not have a client's manners."""
    options = [("grpc.max_receive_message_length", 8 << 20)]
    async with grpc.aio.insecure_channel(served.address, options=options) as channel:
        yield mien_pb2_grpc.GatewayStub(channel)


def item(size: int, model: str = "", *, name: str | None = None, deadline_s: float = 0.0) -> Any:
    """A request whose picture has so many bytes."""
    return pb.GatewayClassifyStreamRequest(
        id=str(size) if name is None else name,
        item=pb.GatewayClassifyRequest(image=bytes(size), model=model),
        deadline_s=deadline_s,
    )


async def sent(call: Any, requests: Iterator[Any]) -> None:
    """Send them all, and that they are all."""
    for request in requests:
        await call.write(request)
    await call.done_writing()


async def answers(call: Any) -> list[Any]:
    """All messages until the end, the window first.

    Raises:
        grpc.aio.AioRpcError: the stream failed.
    """
    got = []
    async with asyncio.timeout(LATE_S):
        while (reply := await call.read()) is not grpc.aio.EOF:
            got.append(reply)
    return got


async def until(true: Callable[[], bool]) -> None:
    """Wait for it."""
    async with asyncio.timeout(LATE_S):
        while not true():  # noqa: ASYNC110 - counters change, there is no event to wait for
            await asyncio.sleep(0.01)


async def still(counted: Callable[[], float], for_s: float = 1.0) -> float:
    """What it is once it has not changed for so long."""
    value, since = counted(), asyncio.get_running_loop().time()
    while asyncio.get_running_loop().time() - since < for_s:
        await asyncio.sleep(0.05)
        if counted() != value:
            value, since = counted(), asyncio.get_running_loop().time()
    return value

"""Services that are not as they should be, for a gateway to meet: one that answers nonsense, and a slow way to one."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress

import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc

from mien.v1 import mien_pb2 as pb

_SIZE = pb.ImageSize(width=320, height=240)
_FACE = pb.Face(box=pb.Box(x=1, y=1, width=50, height=50), score=0.9)
_NOWHERE = pb.Face(box=pb.Box(x=float("nan"), y=1, width=50, height=50), score=0.9)
_CROP = pb.FaceCrop(rgb=bytes(3 * 224 * 224), side_px=224)

# What a detection service may answer instead of faces.
NONSENSE: Mapping[str, bytes] = {
    "bytes that are no message": b"\xff\xff\xff\xff no message",
    "an empty message": b"",
    "a face without its crop": pb.DetectResponse(image=_SIZE, faces=[_FACE]).SerializeToString(),
    "a crop of the wrong size": pb.DetectResponse(
        image=_SIZE, faces=[_FACE], crops=[pb.FaceCrop(rgb=b"123", side_px=224)]
    ).SerializeToString(),
    "more crops than faces": pb.DetectResponse(image=_SIZE, faces=[_FACE], crops=[_CROP] * 2).SerializeToString(),
    "a box that is nowhere": pb.DetectResponse(image=_SIZE, faces=[_NOWHERE], crops=[_CROP]).SerializeToString(),
}


@asynccontextmanager
async def babbling(say: Callable[[], bytes]) -> AsyncIterator[str]:
    """The address of a detection service that says it serves, and answers whatever `say` returns."""

    async def detect(request: bytes, context: grpc.aio.ServicerContext) -> bytes:
        return say()

    server, state = grpc.aio.server(), health.aio.HealthServicer()
    health_pb2_grpc.add_HealthServicer_to_server(state, server)
    methods = {"Detect": grpc.unary_unary_rpc_method_handler(detect)}
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("mien.v1.FaceDetection", methods),))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    await state.set("", health_pb2.HealthCheckResponse.SERVING)
    yield f"127.0.0.1:{port}"
    await server.stop(None)


@asynccontextmanager
async def delayed(address: str, delay_s: Callable[[], float]) -> AsyncIterator[str]:
    """Another address of a service; what it sends from there is as late as `delay_s` says when it comes."""
    host, _, port = address.rpartition(":")
    tasks: set[asyncio.Task[None]] = set()

    async def pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, late: bool) -> None:
        with suppress(OSError):
            while data := await reader.read(65536):
                if late:
                    await asyncio.sleep(delay_s())
                writer.write(data)
                await writer.drain()
        writer.close()

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there = await asyncio.open_connection(host, int(port))
        for task in (pass_on(reader, there[1], False), pass_on(there[0], writer, True)):
            tasks.add(asyncio.create_task(task))

    server = await asyncio.start_server(connected, "127.0.0.1", 0)
    yield f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
    server.close()
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)

"""A channel to several processes of a service, each a real gRPC server on a port of its own."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass

import grpc
import pytest
from grpc_health.v1 import health, health_pb2, health_pb2_grpc

from services.chassis import channels, server
from services.chassis.connections import Limits
from tests.stack import free_ports

Ask = Callable[[], Awaitable[str]]


@dataclass(frozen=True, slots=True)
class Process:
    """One server that answers with its own port."""

    server: grpc.aio.Server
    health: health.aio.HealthServicer
    port: int


async def _start(answer_s: float = 0.0) -> Process:
    async def who(request: bytes, context: grpc.aio.ServicerContext) -> bytes:
        await asyncio.sleep(answer_s)
        return str(port).encode()

    process = grpc.aio.server(options=[("grpc.so_reuseport", 0)])
    state = health.aio.HealthServicer()
    health_pb2_grpc.add_HealthServicer_to_server(state, process)
    methods = {"Who": grpc.unary_unary_rpc_method_handler(who)}
    process.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("test.Test", methods),))
    port = process.add_insecure_port("127.0.0.1:0")
    await process.start()
    await state.set("", health_pb2.HealthCheckResponse.SERVING)
    return Process(process, state, port)


async def _two(stack: AsyncExitStack, answer_s: float = 0.0) -> tuple[Process, Process, grpc.aio.Channel, Ask]:
    """Two processes behind one name, and the question to it."""
    first, second = await _start(answer_s), await _start(answer_s)
    for one in (first, second):
        stack.push_async_callback(one.server.stop, None)
    target = f"ipv4:127.0.0.1:{first.port},127.0.0.1:{second.port}"
    channel = await stack.enter_async_context(channels.connect(target, 1024))
    call = channel.unary_unary("/test.Test/Who")

    async def ask() -> str:
        return bytes(await call(b"", timeout=20)).decode()

    while len({await ask() for _ in range(4)}) < 2:  # noqa: ASYNC110 (until both are connected)
        await asyncio.sleep(0.02)
    return first, second, channel, ask


async def _forsaken(process: Process, ask: Ask) -> None:
    """Until nobody asks it any more."""
    deadline = time.monotonic() + 20
    while str(process.port) in {await ask() for _ in range(4)}:
        assert time.monotonic() < deadline


async def test_calls_go_round_all_processes_behind_one_name() -> None:
    async with AsyncExitStack() as stack:
        first, second, _, ask = await _two(stack)
        assert Counter([await ask() for _ in range(20)]) == {str(first.port): 10, str(second.port): 10}


async def test_a_process_that_says_it_stops_gets_no_more_calls_and_none_is_lost() -> None:
    async with AsyncExitStack() as stack:
        first, second, _, ask = await _two(stack, answer_s=0.05)
        begun = [asyncio.create_task(ask()) for _ in range(8)]
        await asyncio.sleep(0.02)
        await first.health.enter_graceful_shutdown()
        await _forsaken(first, ask)
        stopping = asyncio.create_task(first.server.stop(30))
        assert {await ask() for _ in range(6)} == {str(second.port)}
        assert len(await asyncio.gather(*begun)) == 8
        await asyncio.wait_for(stopping, 15)  # the health watch does not hold the end up


async def test_a_name_serves_while_any_process_behind_it_does() -> None:
    async with AsyncExitStack() as stack:
        first, second, channel, ask = await _two(stack)
        await first.health.enter_graceful_shutdown()
        await _forsaken(first, ask)
        assert await channels.serves(channel)
        await second.health.enter_graceful_shutdown()
        deadline = time.monotonic() + 20
        while await channels.serves(channel):
            assert time.monotonic() < deadline


async def test_a_connection_that_is_renewed_loses_no_call_and_ends_no_stream(monkeypatch: pytest.MonkeyPatch) -> None:
    """Connections end after a while, so that a caller looks the name up again and finds what was added."""
    monkeypatch.setattr(server, "_CONNECTION_MS", 150)

    async def who(request: bytes, context: grpc.aio.ServicerContext) -> bytes:
        await asyncio.sleep(0.01)
        return context.peer().encode()

    async def count(request: bytes, context: grpc.aio.ServicerContext) -> AsyncIterator[bytes]:
        while not enough.is_set():
            await asyncio.sleep(0.02)
            yield b"."

    def register(process: grpc.aio.Server) -> None:
        methods = {
            "Who": grpc.unary_unary_rpc_method_handler(who),
            "Count": grpc.unary_stream_rpc_method_handler(count),
        }
        process.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("test.Test", methods),))

    enough, port = asyncio.Event(), free_ports(1)[0]
    service = server.Service("test", None, 0, port, ("test.Test",), register, ())  # type: ignore[arg-type]
    process, state = await server._start_rpc(service, "127.0.0.1", 1024, Limits())
    try:
        await server._set_health(state, service, True)
        async with channels.connect(f"127.0.0.1:{port}", 1024) as channel:
            stream = channel.unary_stream("/test.Test/Count")(b"", timeout=60)
            assert await stream.read() == b"."
            call = channel.unary_unary("/test.Test/Who")
            peers, deadline = set(), time.monotonic() + 30
            while len(peers) < 3 and time.monotonic() < deadline:
                peers.add(await call(b"", timeout=20))
            assert len(peers) >= 3
            enough.set()
            while (item := await stream.read()) is not grpc.aio.EOF:
                assert item == b"."
            assert await stream.code() == grpc.StatusCode.OK
    finally:
        await process.stop(None)

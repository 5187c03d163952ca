"""Callers who would wait too long are refused at the edges, REST and gRPC, at once, and told when to come again."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable, Callable

import grpc
import httpx
import pytest
from fastapi import APIRouter, Request

from services.chassis import rest, rpc
from services.chassis.admission import Admission
from services.errors import Kind
from services.metrics import Metrics

TARGET_S, WORK_S = 0.05, 0.3


async def second_while_first_works(admission: Admission, ask: Callable[[], Awaitable[object]]) -> object:
    """What the second caller gets once the pace is known and another is being answered."""
    await ask()
    first = asyncio.create_task(ask())
    async with asyncio.timeout(60):
        while admission.wait_s() == 0:  # noqa: ASYNC110 - until it has begun
            await asyncio.sleep(0.001)
    second = await ask()
    await first
    return second


async def test_rest_refuses_who_would_wait_too_long_and_lets_in_what_waits_for_nobody() -> None:
    routes, admission = APIRouter(prefix="/v1"), Admission(100, target_s=TARGET_S)

    @routes.post("/work")
    async def work(request: Request) -> str:
        await request.body()
        await asyncio.sleep(WORK_S)
        return str((await client.get("/v1/list")).status_code)  # while it is working itself

    @routes.get("/list")
    async def list_all() -> str:
        return "all"

    async def readiness() -> dict[str, bool]:
        return {}

    app = rest.build(
        "test",
        routes,
        version="1",
        metrics=Metrics("1"),
        readiness=readiness,
        admission=admission,
        timeout_s=30.0,
    )
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test") as client:
        answers: list[httpx.Response] = []

        async def ask() -> httpx.Response:
            answers.append(await client.post("/v1/work", content=b"picture"))
            return answers[-1]

        refused = await second_while_first_works(admission, ask)
        assert isinstance(refused, httpx.Response)
        assert (refused.status_code, refused.json()["code"]) == (429, "queue_full")
        assert int(refused.headers["retry-after"]) >= 1
        assert [each.json() for each in answers if each.status_code == 200] == ["200", "200"]
    assert admission.in_flight == 0


async def test_grpc_refuses_who_would_wait_too_long() -> None:
    admission = Admission(100, target_s=TARGET_S)

    async def work(request: bytes, context: grpc.aio.ServicerContext) -> bytes:
        await asyncio.sleep(WORK_S)
        return b"done"

    terms = rpc.Terms(admission, 30.0)
    edge = rpc.Edge("test", Metrics("1"), single=terms, patient=terms, streams=rpc.Terms(Admission(1), math.inf))
    server = grpc.aio.server(interceptors=[edge])
    methods = {"Work": grpc.unary_unary_rpc_method_handler(work, request_deserializer=bytes, response_serializer=bytes)}
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("mien.v1.Test", methods),))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        call = channel.unary_unary("/mien.v1.Test/Work")

        async def ask() -> object:
            try:
                return await call(b"", timeout=60)
            except grpc.aio.AioRpcError as failure:
                return rpc.error_of(failure)

        refused = await second_while_first_works(admission, ask)
    await server.stop(None)
    assert getattr(refused, "kind", refused) is Kind.QUEUE_FULL
    assert getattr(refused, "retry_after_s", 0) == pytest.approx(WORK_S, abs=WORK_S)
    assert getattr(refused, "retry_after_s", 0) > 0


async def test_who_sends_its_picture_slowly_keeps_nobody_waiting() -> None:
    routes, admission = APIRouter(prefix="/v1"), Admission(100, target_s=TARGET_S)
    sent, half = asyncio.Event(), asyncio.Event()

    @routes.post("/work")
    async def work(request: Request) -> str:
        await request.body()
        await asyncio.sleep(0.1)
        return "done"

    async def readiness() -> dict[str, bool]:
        return {}

    app = rest.build(
        "test", routes, version="1", metrics=Metrics("1"), readiness=readiness, admission=admission, timeout_s=30.0
    )

    async def receive() -> dict[str, object]:
        if not half.is_set():
            half.set()
            return {"type": "http.request", "body": b"half", "more_body": True}
        await sent.wait()
        return {"type": "http.disconnect"}

    async def send(message: object) -> None:
        pass

    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test") as client:
        assert (await client.post("/v1/work", content=b"one")).status_code == 200
        scope = {"type": "http", "method": "POST", "path": "/v1/work", "headers": [], "query_string": b""}
        slow = asyncio.create_task(app(scope, receive, send))
        await half.wait()
        await asyncio.sleep(0.01)
        assert admission.in_flight == 1
        assert admission.wait_s() == 0
        assert (await client.post("/v1/work", content=b"two")).status_code == 200
        sent.set()
        await asyncio.gather(slow, return_exceptions=True)
    assert admission.in_flight == 0

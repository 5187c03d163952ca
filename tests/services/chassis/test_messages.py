"""When a unary gRPC call's message is read: after it is known that the call is not refused, before it takes a place."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import grpc
import pytest

from mien.v1 import mien_pb2 as pb
from services.chassis.rpc import error_of
from services.errors import Kind
from tests.streaming import LATE_S, Served, serving, still, stub_of, until


@asynccontextmanager
async def begun_without_message(served: Served, *, within_s: float = LATE_S) -> AsyncIterator[Any]:
    """A call of a unary method whose message has not been sent: a stream of one, which is the same on the wire."""
    async with grpc.aio.insecure_channel(served.address) as channel:
        call = channel.stream_stream("/mien.v1.Gateway/Classify")(timeout=within_s)
        yield call
        call.cancel()


async def kind_of(call: Any) -> Kind:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await asyncio.wait_for(call.read(), LATE_S)
    return error_of(caught.value).kind


async def test_who_is_refused_is_told_before_its_message_has_come() -> None:
    async with serving(max_calls=0) as served, begun_without_message(served) as call:
        assert await kind_of(call) is Kind.QUEUE_FULL
        assert served.metrics.registry.get_sample_value(
            "mien_requests_total",
            {"service": "gateway", "transport": "grpc", "method": "Classify", "code": "queue_full"},
        )


async def test_who_has_not_sent_its_message_holds_no_place() -> None:
    async with serving(max_calls=1) as served, begun_without_message(served) as call, stub_of(served) as stub:
        assert await call.initial_metadata()  # it has been taken, and is being waited for
        assert served.single.in_flight == 0
        await stub.Classify(pb.GatewayClassifyRequest(image=b"123"), timeout=LATE_S)
        await call.write(pb.GatewayClassifyRequest(image=b"1").SerializeToString())
        reply = pb.GatewayClassifyResponse.FromString(await call.read())
        assert (served.toy.begun, reply.image.width) == ([3, 1], 1)


async def test_who_never_sends_its_message_is_let_go_when_its_time_is_over() -> None:
    async with serving() as served, begun_without_message(served, within_s=0.3) as call:
        assert await kind_of(call) is Kind.DEADLINE_EXCEEDED
        await until(lambda: _in_flight(served) == 0)


async def test_who_ends_without_a_message_is_told_so() -> None:
    async with serving() as served, begun_without_message(served) as call:
        await call.done_writing()
        assert await kind_of(call) is Kind.MALFORMED_REQUEST


async def test_who_hangs_up_before_its_answer_leaves_nothing_behind(caplog: pytest.LogCaptureFixture) -> None:
    async with serving() as served:
        async with stub_of(served) as stub:
            call = stub.Classify(pb.GatewayClassifyRequest(image=b"1", model="gate:held"))
            await until(lambda: served.toy.begun == [1])
            call.cancel()
        await until(lambda: served.toy.cancelled == [1])
        await until(lambda: _in_flight(served) == 0)
        assert await still(lambda: served.single.in_flight, 0.2) == 0
    assert not [record for record in caplog.records if record.levelname == "ERROR"]


def _in_flight(served: Served) -> float:
    labels = {"service": "gateway", "transport": "grpc"}
    return served.metrics.registry.get_sample_value("mien_requests_in_flight", labels) or 0


async def test_an_answer_that_no_message_can_hold_says_what_to_ask_for() -> None:
    async with serving(message_bytes=1 << 20) as served, stub_of(served) as stub:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await stub.Classify(pb.GatewayClassifyRequest(image=b"1", model="large"), timeout=LATE_S)
        error = error_of(caught.value)
        assert error.kind is Kind.TOO_MANY_BYTES
        assert "Ask for less at once" in error.detail
        assert served.single.in_flight == 0
    async with serving(message_bytes=3 << 20) as served, stub_of(served) as stub:
        reply = await stub.Classify(pb.GatewayClassifyRequest(image=b"1", model="large"), timeout=LATE_S)
        assert reply.ByteSize() > 1 << 20

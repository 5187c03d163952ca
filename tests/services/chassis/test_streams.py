"""Streams through a real gRPC server, with a toy gateway behind the chassis."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import grpc
import pytest

from mien.v1 import mien_pb2 as pb
from tests.streaming import LATE_S, answers, item, sent, serving, still, stub_of, until


async def test_answers_keep_the_order_of_the_requests_though_the_first_is_done_last() -> None:
    async with serving() as served, stub_of(served) as stub:
        call = served.stream(stub)
        await sent(call, iter([item(1, "gate:first"), item(2), item(3), item(4)]))
        await until(lambda: served.toy.ended == [2, 3, 4])
        served.toy.gates["first"].set()
        window, *replies = await answers(call)
        assert (window.window.items, window.window.bytes, window.id) == (8, 1 << 20, "")
        assert [(reply.id, reply.result.image.width) for reply in replies] == [("1", 1), ("2", 2), ("3", 3), ("4", 4)]
        assert served.toy.patience == [True] * 4


async def test_a_bad_item_is_an_error_in_its_place_and_changes_nothing_else() -> None:
    async with serving() as served, stub_of(served) as stub:
        call = served.stream(stub)
        await sent(call, iter([item(1), item(2, "bad"), item(3)]))
        _, first, second, third = await answers(call)
        assert (first.result.image.width, third.result.image.width) == (1, 3)
        error = second.error
        assert (second.id, error.code, error.field, error.retryable) == ("2", "not_an_image", "image", False)
        assert error.detail == "The data is not an image."
        assert (served.counted("ok"), served.counted("not_an_image"), served.in_flight()) == (2, 1, 0)


async def test_a_defect_is_logged_and_its_text_stays_here(caplog: pytest.LogCaptureFixture) -> None:
    async with serving() as served, stub_of(served) as stub:
        call = served.stream(stub, metadata=(("x-request-id", "abc-1"),))
        await sent(call, iter([item(1, "defect"), item(2)]))
        _, first, second = await answers(call)
        assert first.error.code == "internal"
        assert "secret" not in str(first)
        assert second.result.image.width == 2
    (record,) = [record for record in caplog.records if record.message == "a defect"]
    assert record.fields == {"request_id": "abc-1"}  # type: ignore[attr-defined]
    assert "secret of the house" in caplog.text


async def test_a_stream_leaves_one_access_line(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "mien.access")
    async with serving() as served, stub_of(served) as stub:
        call = served.stream(stub)
        await sent(call, iter([item(1), item(2, "bad"), item(3)]))
        await answers(call)
        await until(lambda: bool(caplog.records))
    (line,) = [record.fields for record in caplog.records if record.name == "mien.access"]  # type: ignore[attr-defined]
    assert (line["method"], line["code"], line["items"], line["errors"]) == ("ClassifyStream", "ok", 3, 1)


async def test_no_more_items_are_in_work_than_the_window_has() -> None:
    async with serving(items=3) as served, stub_of(served) as stub:
        call = served.stream(stub)
        await sent(call, (item(size, "gate:all") for size in range(1, 11)))
        assert await still(lambda: len(served.toy.begun)) == 3
        assert served.in_flight() == 3
        served.toy.gates["all"].set()
        assert len(await answers(call)) == 11


async def test_a_client_that_never_reads_is_not_worked_for() -> None:
    async with serving(items=3) as served, stub_of(served) as stub:
        call = served.stream(stub)
        writing = asyncio.create_task(sent(call, (item(size, "large") for size in range(1, 31))))
        begun = await still(lambda: len(served.toy.begun))
        assert 3 <= begun <= 8  # the window, and what the connection itself holds
        assert served.in_flight() <= 3
        writing.cancel()


async def test_a_caller_who_never_read_and_hangs_up_leaves_nothing_in_flight() -> None:
    async with serving(items=3) as served, stub_of(served) as stub:
        call = served.stream(stub)
        writing = asyncio.create_task(sent(call, (item(size, "large") for size in range(1, 31))))
        await still(lambda: len(served.toy.begun))
        held = served.in_flight()
        call.cancel()
        await until(lambda: served.in_flight() == 0)
        assert served.counted("cancelled") == held > 0
        writing.cancel()


async def test_the_window_counts_bytes_too() -> None:
    async with serving(items=8, bytes=1000) as served, stub_of(served) as stub:
        call = served.stream(stub)
        await sent(call, iter([item(400, "gate:all"), item(401, "gate:all"), item(402, "gate:all")]))
        await until(lambda: len(served.toy.begun) == 2)
        assert await still(lambda: len(served.toy.begun)) == 2
        served.toy.gates["all"].set()
        assert len(await answers(call)) == 4


async def test_an_item_larger_than_the_window_goes_alone() -> None:
    async with serving(items=8, bytes=1000) as served, stub_of(served) as stub:
        call = served.stream(stub)
        await sent(call, iter([item(10, "gate:small"), item(5000, "gate:large"), item(11)]))
        await until(lambda: served.toy.begun == [10])
        assert await still(lambda: len(served.toy.begun)) == 1
        served.toy.gates["small"].set()
        await until(lambda: served.toy.begun == [10, 5000])
        assert await still(lambda: len(served.toy.begun)) == 2
        served.toy.gates["large"].set()
        assert [reply.id for reply in await answers(call)] == ["", "10", "5000", "11"]


async def test_a_caller_who_hangs_up_takes_the_work_along() -> None:
    async with serving() as served, stub_of(served) as stub:
        call = served.stream(stub)
        for size in (1, 2):
            await call.write(item(size, "gate:never"))
        await until(lambda: len(served.toy.begun) == 2)
        call.cancel()
        await until(lambda: sorted(served.toy.cancelled) == [1, 2])
        await until(lambda: served.in_flight() == 0)
        assert served.counted("cancelled") == 2


async def test_an_item_has_a_deadline_of_its_own() -> None:
    async with serving() as served, stub_of(served) as stub:
        call = served.stream(stub)
        await sent(call, iter([item(1), item(2, "gate:never", deadline_s=0.05), item(3)]))
        _, first, second, third = await answers(call)
        assert (first.result.image.width, third.result.image.width) == (1, 3)
        assert (second.error.code, second.error.retryable) == ("deadline_exceeded", True)
        assert served.toy.cancelled == [2]


async def test_the_servers_own_limit_holds_where_an_item_names_none_or_more() -> None:
    async with serving(timeout_s=0.05) as served, stub_of(served) as stub:
        call = served.stream(stub)
        await sent(call, iter([item(1, "gate:never"), item(2, "gate:never", deadline_s=3600)]))
        assert [reply.error.code for reply in (await answers(call))[1:]] == ["deadline_exceeded"] * 2


async def test_the_deadline_of_the_stream_ends_it_and_its_work() -> None:
    async with serving() as served, stub_of(served) as stub:
        call = served.stream(stub, timeout=3.0)
        await call.write(item(1, "gate:never"))
        await until(lambda: served.toy.begun == [1])
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await answers(call)
        assert caught.value.code() == grpc.StatusCode.DEADLINE_EXCEEDED
        await until(lambda: served.toy.cancelled == [1])


@pytest.mark.parametrize("deadline_s", [-1.0, float("nan"), float("inf")])
async def test_a_deadline_that_is_none_is_that_items_error(deadline_s: float) -> None:
    async with serving() as served, stub_of(served) as stub:
        call = served.stream(stub)
        await sent(call, iter([item(1, deadline_s=deadline_s), item(2)]))
        _, first, second = await answers(call)
        assert (first.error.code, first.error.field) == ("bad_parameter", "deadline_s")
        assert second.result.image.width == 2


async def test_ids_may_be_empty_or_alike_but_not_too_long() -> None:
    async with serving() as served, stub_of(served) as stub:
        call = served.stream(stub)
        names = ["", "same", "same", "é" * 256, "x" * 257]
        await sent(call, iter([item(1, name=name) for name in names]))
        _, *replies = await answers(call)
        assert [reply.id for reply in replies[:4]] == names[:4]
        assert [reply.WhichOneof("outcome") for reply in replies] == ["result"] * 4 + ["error"]
        assert (replies[4].error.code, replies[4].error.field) == ("bad_parameter", "id")


async def test_a_stopping_server_answers_what_it_has_read_and_says_go_elsewhere() -> None:
    async with serving() as served, stub_of(served) as stub:
        call = served.stream(stub)
        for size in (1, 2):
            await call.write(item(size, "gate:all"))
        await until(lambda: len(served.toy.begun) == 2)
        served.stopping.set()
        assert await still(lambda: len(served.toy.cancelled)) == 0
        await call.write(item(3))
        served.toy.gates["all"].set()
        assert (await call.read()).window.items
        assert [(await call.read()).id, (await call.read()).id] == ["1", "2"]
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await asyncio.wait_for(call.read(), LATE_S)
        assert caught.value.code() == grpc.StatusCode.UNAVAILABLE
        assert served.toy.begun == [1, 2]


async def test_one_stream_too_many_is_refused_and_single_calls_are_not() -> None:
    async with serving(max_streams=1, max_calls=1) as served, stub_of(served) as stub:
        first = served.stream(stub)
        await first.write(item(1, "gate:never"))
        await until(lambda: served.toy.begun == [1])
        with pytest.raises(grpc.aio.AioRpcError, match="1 streams are being answered") as caught:
            await answers(served.stream(stub))
        assert caught.value.code() == grpc.StatusCode.RESOURCE_EXHAUSTED
        reply: Any = await stub.Classify(pb.GatewayClassifyRequest(image=b"12"), timeout=LATE_S)
        assert reply.image.width == 2
        assert served.toy.patience == [True, False]

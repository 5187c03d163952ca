"""A link to a real gRPC server: what it says of answers, of their want, and of nonsense."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import grpc
import pytest

from services import calls
from services.chassis import channels, links, rpc
from services.chassis.breaker import MOST_FAILURES
from services.chassis.links import Link
from services.errors import Kind, MienError
from services.metrics import Metrics

Behaviour = Callable[[int, grpc.aio.ServicerContext], Awaitable[bytes]]


@asynccontextmanager
async def linked(behaviour: Behaviour) -> AsyncIterator[tuple[Callable[[float], Awaitable[bytes]], Metrics]]:
    """A server that behaves so, told how many calls came before; and how to ask it, within so many seconds."""
    asked = 0

    async def answer(request: bytes, context: grpc.aio.ServicerContext) -> bytes:
        nonlocal asked
        asked += 1
        return await behaviour(asked - 1, context)

    process, metrics = grpc.aio.server(), Metrics("test")
    methods = {"Ask": grpc.unary_unary_rpc_method_handler(answer)}
    process.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("test.Test", methods),))
    port = process.add_insecure_port("127.0.0.1:0")
    await process.start()
    async with channels.connect(f"127.0.0.1:{port}", 1024) as channel:
        link, method = Link("other", metrics), channel.unary_unary("/test.Test/Ask")

        async def ask(within_s: float = 60.0) -> bytes:
            with calls.answering("test", within_s):
                return await link.call(method, b"", _read)

        yield ask, metrics
    await process.stop(None)


def _read(reply: bytes) -> bytes:
    if reply == b"nonsense":
        raise ValueError("which nobody shall see")
    return reply


async def failure(asking: Awaitable[bytes]) -> MienError:
    with pytest.raises(MienError) as caught:
        await asking
    return caught.value


def count(metrics: Metrics, name: str) -> float:
    return metrics.registry.get_sample_value(name, {"to": "other"}) or 0.0


async def test_a_call_that_was_lost_is_made_once_more_and_no_more() -> None:
    async def lose(number: int, context: grpc.aio.ServicerContext) -> bytes:
        if number in (0, 2, 3):
            await context.abort(grpc.StatusCode.UNAVAILABLE, "gone")
        return b"here"

    async with linked(lose) as (ask, metrics):
        assert await ask() == b"here"
        assert (await failure(ask())).kind is Kind.UNAVAILABLE
        assert count(metrics, "mien_link_retries_total") == 2


async def test_what_the_service_says_itself_is_passed_on_and_never_asked_twice() -> None:
    async def refuse(number: int, context: grpc.aio.ServicerContext) -> bytes:
        error = MienError(Kind.UNAVAILABLE if number else Kind.BAD_PARAMETER, "So it is.")
        await context.abort_with_status(rpc.rpc_status.to_status(rpc.status_of(error)))
        raise AssertionError

    async with linked(refuse) as (ask, metrics):
        kinds = [(await failure(ask())).kind for _ in range(2 * MOST_FAILURES)]
        assert kinds == [Kind.BAD_PARAMETER, *[Kind.UNAVAILABLE] * (2 * MOST_FAILURES - 1)]
        assert count(metrics, "mien_link_retries_total") == count(metrics, "mien_link_breaks_total") == 0


async def test_a_service_that_is_stopping_is_left_for_another_process_of_it() -> None:
    async def stop(number: int, context: grpc.aio.ServicerContext) -> bytes:
        if number == 0:
            error = MienError(Kind.NOT_READY, "Stopping.")
            await context.abort_with_status(rpc.rpc_status.to_status(rpc.status_of(error)))
        return b"the other"

    async with linked(stop) as (ask, _):
        assert await ask() == b"the other"


async def test_nonsense_is_unavailable_without_its_text_and_cuts_the_service_off(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("services.chassis.breaker.SILENCE_S", 0.0)
    monkeypatch.setattr("services.chassis.breaker.PAUSE_S", 60.0)
    sound = False

    async def babble(number: int, context: grpc.aio.ServicerContext) -> bytes:
        return b"sound" if sound else b"nonsense"

    async with linked(babble) as (ask, metrics):
        for _ in range(MOST_FAILURES):
            error = await failure(ask())
            assert (error.kind, "nobody" in error.detail) == (Kind.UNAVAILABLE, False)
        sound = True
        assert (await failure(ask())).kind is Kind.UNAVAILABLE  # nobody asked
        assert count(metrics, "mien_link_broken") == 1


async def test_a_stalled_service_costs_the_first_callers_their_time_and_the_others_none(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("services.chassis.breaker.SILENCE_S", 0.0)
    monkeypatch.setattr("services.chassis.breaker.PAUSE_S", 60.0)
    monkeypatch.setattr(links, "HUNG_S", 0.1)

    async def stall(number: int, context: grpc.aio.ServicerContext) -> bytes:
        await asyncio.sleep(60)
        return b""

    async with linked(stall) as (ask, _):
        first = await asyncio.gather(*(failure(ask(0.3)) for _ in range(MOST_FAILURES)))
        assert {error.kind for error in first} == {Kind.DEADLINE_EXCEEDED}
        async with asyncio.timeout(30):
            assert (await failure(ask(60.0))).kind is Kind.UNAVAILABLE


async def test_callers_in_a_hurry_cannot_cut_a_service_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("services.chassis.breaker.SILENCE_S", 0.0)
    slow = True

    async def slowly(number: int, context: grpc.aio.ServicerContext) -> bytes:
        await asyncio.sleep(60 if slow else 0)
        return b"here"

    async with linked(slowly) as (ask, metrics):
        await asyncio.gather(*(failure(ask(0.05)) for _ in range(4 * MOST_FAILURES)))
        slow = False
        assert await ask() == b"here"
        assert count(metrics, "mien_link_breaks_total") == 0

"""The clients' streams, against a real server: both keep its window, and give each item's outcome in order."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable, Iterable, Iterator

import pytest

from mien import AsyncClient, Client
from mien.outcomes import CallError, Outcome
from tests.streaming import LATE_S, Served, serving, still, until

Ask = Callable[..., Awaitable[list[Outcome]]]
GATED = "gate:all"


async def blocking(served: Served, items: Iterable[tuple[str, bytes]], **options: object) -> list[Outcome]:
    """All outcomes, asked for by the blocking client in a thread of its own."""

    def ask() -> list[Outcome]:
        with Client(served.address) as client:
            return list(client.classify_stream(items, **options))  # type: ignore[arg-type]

    return await asyncio.wait_for(asyncio.to_thread(ask), LATE_S)


async def awaiting(served: Served, items: Iterable[tuple[str, bytes]], **options: object) -> list[Outcome]:
    """The same of the asyncio client."""
    async with AsyncClient(served.address) as client, asyncio.timeout(LATE_S):
        return [outcome async for outcome in client.classify_stream(items, **options)]  # type: ignore[arg-type]


@pytest.fixture(params=[blocking, awaiting], ids=["blocking", "asyncio"])
def ask(request: pytest.FixtureRequest) -> Ask:
    return request.param  # type: ignore[no-any-return]


def pictures(*sizes: int) -> list[tuple[str, bytes]]:
    return [(f"{size}.jpg", bytes(size)) for size in sizes]


async def test_every_item_has_its_outcome_in_order(ask: Ask) -> None:
    async with serving(items=3) as served:
        outcomes = await ask(served, pictures(*range(1, 21)))
        assert [(outcome.id, outcome.result.image.width) for outcome in outcomes] == [
            (f"{size}.jpg", size) for size in range(1, 21)
        ]
        assert all(outcome.error is None for outcome in outcomes)


async def test_an_items_error_is_an_outcome(ask: Ask) -> None:
    async with serving() as served:
        (outcome,) = await ask(served, pictures(1), model="bad")
        assert (outcome.id, outcome.result) == ("1.jpg", None)
        assert outcome.error is not None
        assert (outcome.error.code, outcome.error.field, outcome.error.retryable) == ("not_an_image", "image", False)


async def test_no_items_are_no_outcomes(ask: Ask) -> None:
    async with serving() as served:
        assert await ask(served, []) == []


@pytest.mark.parametrize(("window", "size", "most"), [({"items": 3}, 1, 3), ({"bytes": 5000}, 2000, 3)])
async def test_items_are_pulled_no_further_than_the_window(
    ask: Ask, window: dict[str, int], size: int, most: int
) -> None:
    pulled: list[int] = []

    def items() -> Iterator[tuple[str, bytes]]:
        for number in range(20):
            pulled.append(number)
            yield str(number), bytes(size)

    async with serving(**window) as served:  # type: ignore[arg-type]
        asking = asyncio.ensure_future(ask(served, items(), model=GATED))
        await until(lambda: len(pulled) == most)
        assert await still(lambda: len(pulled)) == most
        served.toy.gates["all"].set()
        assert len(await asking) == 20


async def test_an_item_larger_than_the_window_is_sent_alone(ask: Ask) -> None:
    async with serving(bytes=1000) as served:
        outcomes = await ask(served, pictures(10, 5000, 11))
        assert [outcome.result.image.width for outcome in outcomes] == [10, 5000, 11]


async def test_a_picture_that_no_message_can_hold_is_an_error_in_its_place(ask: Ask) -> None:
    async with serving(message_bytes=10_000) as served:
        good, large, other = await ask(served, pictures(10, 20_000, 11))
        assert (good.result.image.width, other.result.image.width) == (10, 11)
        assert (large.id, large.result) == ("20000.jpg", None)
        assert large.error is not None
        assert large.error.code == "too_many_bytes"


async def test_what_the_items_raise_reaches_the_caller_after_the_outcomes_before_it() -> None:
    def items() -> Iterator[tuple[str, bytes]]:
        yield from pictures(1, 2)
        raise OSError("the disk is gone")

    async with serving() as served:
        got: list[str] = []
        async with AsyncClient(served.address) as client:
            with pytest.raises(OSError, match="disk"):
                async for outcome in client.classify_stream(items()):
                    got.append(outcome.id)

        def ask() -> None:
            with Client(served.address) as client:
                for outcome in client.classify_stream(items()):
                    got.append(outcome.id)

        with pytest.raises(OSError, match="disk"):
            await asyncio.wait_for(asyncio.to_thread(ask), LATE_S)
        assert got == ["1.jpg", "2.jpg"] * 2


async def test_a_server_that_stops_is_an_error_that_says_try_elsewhere(ask: Ask) -> None:
    async with serving() as served:
        asking = asyncio.ensure_future(ask(served, pictures(*range(1, 100)), model=GATED))
        await until(lambda: len(served.toy.begun) == 8)
        served.stopping.set()
        served.toy.gates["all"].set()
        with pytest.raises(CallError) as caught:
            await asking
        # Where grpc.aio lost the server's reason, a broken stream is all that is known.
        assert caught.value.code in ("not_ready", "unavailable")
        assert caught.value.retryable


async def test_nobody_there_is_an_error(ask: Ask) -> None:
    async with serving() as served:
        pass
    with pytest.raises(CallError) as caught:
        await ask(served, pictures(1))
    assert (caught.value.code, caught.value.retryable) == ("unavailable", True)


async def test_leaving_the_blocking_iterator_cancels_the_stream_and_stops_the_pulling() -> None:
    before = threading.active_count()
    async with serving(items=2) as served:

        def ask() -> None:
            with Client(served.address) as client:
                outcomes = client.classify_stream(pictures(*range(1, 10)), model="gate:one")
                assert next(outcomes).id == "1.jpg"
                outcomes.close()  # type: ignore[attr-defined]

        asking = asyncio.ensure_future(asyncio.to_thread(ask))
        await until(lambda: served.toy.begun == [1, 2])
        served.toy.gates["one"].set()
        await asyncio.wait_for(asking, LATE_S)
        await until(lambda: served.in_flight() == 0)
        assert len(served.toy.begun) < 9
        await until(lambda: threading.active_count() <= before + 2)


async def test_leaving_the_async_iterator_cancels_the_stream() -> None:
    async with serving(items=2) as served, AsyncClient(served.address) as client:
        outcomes = client.classify_stream(pictures(*range(1, 10)), model="gate:never")
        first = asyncio.ensure_future(anext(outcomes))
        await until(lambda: served.toy.begun == [1, 2])
        first.cancel()
        await until(lambda: sorted(served.toy.cancelled) == [1, 2])


async def test_answers_come_while_the_next_item_is_not_there_yet() -> None:
    async with serving() as served, AsyncClient(served.address) as client, asyncio.timeout(LATE_S):
        next_one: asyncio.Queue[tuple[str, bytes]] = asyncio.Queue()

        async def items() -> object:
            while (one := await next_one.get())[1]:
                yield one

        outcomes = client.classify_stream(items())  # type: ignore[arg-type]
        for size in (1, 2, 3):  # each is sent when the one before has its answer
            next_one.put_nowait((str(size), bytes(size)))
            assert (await anext(outcomes)).result.image.width == size
        next_one.put_nowait(("end", b""))
        with pytest.raises(StopAsyncIteration):
            await anext(outcomes)

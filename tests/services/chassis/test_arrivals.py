"""Bodies that come slowly."""

from __future__ import annotations

import asyncio

import pytest
from starlette.types import Message, Receive

from services.calls import answering
from services.chassis.arrivals import Arrivals
from services.errors import Kind, MienError


class Caller:
    """Sends what it is told to."""

    def __init__(self) -> None:
        self.messages: asyncio.Queue[Message] = asyncio.Queue()

    def send(self, body: bytes, *, more: bool) -> None:
        self.messages.put_nowait({"type": "http.request", "body": body, "more_body": more})

    async def receive(self) -> Message:
        return await self.messages.get()


async def read_all(receive: Receive) -> bytes:
    body = b""
    while True:
        message = await receive()
        body += message["body"]
        if not message["more_body"]:
            return body


async def reading(arrivals: Arrivals, caller: Caller, timeout_s: float = 30.0) -> bytes:
    with answering("id", timeout_s), arrivals.within(caller.receive) as receive:
        return await read_all(receive)


async def test_a_body_that_comes_in_pieces_is_whole() -> None:
    caller = Caller()
    for piece in (b"a", b"b"):
        caller.send(piece, more=True)
    caller.send(b"c", more=False)
    assert await reading(Arrivals(1), caller) == b"abc"


async def test_a_body_that_does_not_end_in_time_is_a_slow_request() -> None:
    caller = Caller()
    caller.send(b"a", more=True)
    with pytest.raises(MienError) as caught:
        await reading(Arrivals(1), caller, timeout_s=0.05)
    assert caught.value.kind is Kind.SLOW_REQUEST


async def test_the_body_that_has_been_coming_longest_gives_way() -> None:
    arrivals, callers = Arrivals(2), [Caller() for _ in range(3)]
    tasks = []
    for caller in callers:
        caller.send(b"a", more=True)
        tasks.append(asyncio.create_task(reading(arrivals, caller)))
        await asyncio.sleep(0.01)
    with pytest.raises(MienError, match="in time"):
        await asyncio.wait_for(tasks[0], 10)
    for caller in callers[1:]:
        caller.send(b"b", more=False)
    assert await asyncio.wait_for(asyncio.gather(*tasks[1:]), 10) == [b"ab", b"ab"]


async def test_a_body_that_is_whole_holds_no_place() -> None:
    arrivals, first, second = Arrivals(1), Caller(), Caller()
    first.send(b"a", more=False)
    with answering("id", 30.0), arrivals.within(first.receive) as receive:
        await receive()
        departure = asyncio.create_task(receive())  # type: ignore[arg-type]
        second.send(b"b", more=False)
        assert await reading(arrivals, second) == b"b"
        await asyncio.sleep(0)
        assert not departure.done()
        departure.cancel()

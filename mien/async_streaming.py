"""One stream of the asyncio client."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from typing import Any

import grpc

from mien.outcomes import CallError, Outcome, call_error
from mien.unanswered import Unanswered


async def outcomes(method: Any, requests: AsyncIterator[Any]) -> AsyncGenerator[Outcome, None]:
    """Send the requests as the server's window allows, and yield their outcomes in order.

    Raises:
        CallError: the stream ended before all were answered.
        Exception: what `requests` raised, after the outcomes of what it had given before.
    """
    call = method()
    sender = _Sender(call, requests)
    sending = asyncio.create_task(sender.send())
    try:
        while (reply := await call.read()) is not grpc.aio.EOF:
            outcome = sender.answered(reply)
            if outcome:
                yield outcome
    except grpc.aio.AioRpcError as failure:
        raise _why(failure) from None
    finally:
        sending.cancel()
        call.cancel()
        await asyncio.gather(sending, return_exceptions=True)
    if sender.failure:
        raise sender.failure


def _why(failure: grpc.aio.AioRpcError) -> CallError:
    # grpc.aio forgets the server's status where a message is being written as the stream ends.
    if failure.code() is grpc.StatusCode.INTERNAL and failure.details() == "Internal error from Core":
        return CallError("unavailable", "The stream broke off; send what has no answer yet again.", retryable=True)
    return call_error(failure)


class _Sender:
    def __init__(self, call: Any, requests: AsyncIterator[Any]) -> None:
        self._call, self._requests = call, requests
        self._unanswered = Unanswered()
        self._changed = asyncio.Event()
        self.failure: Exception | None = None

    async def send(self) -> None:
        """Send each request as soon as there is room for it; where the stream fails, its reader is told."""
        while True:
            await self._wait(self._unanswered.has_place)
            try:
                request = await anext(self._requests, None)
            except Exception as error:
                self.failure = error
                break
            if request is None:
                break
            await self._wait(lambda: self._unanswered.has_room(request))  # noqa: B023
            await self._call.write(self._unanswered.sending(request))
        await self._call.done_writing()

    def answered(self, reply: Any) -> Outcome | None:
        """See `Unanswered.answered`."""
        outcome = self._unanswered.answered(reply)
        self._changed.set()
        return outcome

    async def _wait(self, true: Callable[[], bool]) -> None:
        while not true():
            self._changed.clear()
            await self._changed.wait()

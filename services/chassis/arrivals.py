"""Bodies on their way: each must come within its call's deadline, and those that take longest go first where there are
too many, so that callers who send a byte a second do not keep the places of all others.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from starlette.types import Message, Receive

from services import calls
from services.errors import Kind, MienError


@dataclass(slots=True, eq=False)
class _Coming:
    """One body. `waiting` is set while bytes are waited for."""

    waiting: asyncio.Timeout | None = None


class Arrivals:
    """At most `most` bodies at once."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._coming: dict[_Coming, None] = {}  # the oldest first

    @contextmanager
    def within(self, receive: Receive) -> Iterator[Receive]:
        """`receive` of the current call, as it is to be used while the block runs.

        It raises MienError: SLOW_REQUEST, the body was late or others needed its place; or DEADLINE_EXCEEDED.
        """
        coming, whole = _Coming(), False

        async def take() -> Message:
            nonlocal whole
            if whole:  # what is waited for now is the caller's departure
                return await receive()
            remaining_s = calls.remaining_s()
            if remaining_s is not None and remaining_s <= 0:
                raise MienError(Kind.DEADLINE_EXCEEDED, "The deadline had passed before the body was read.")
            self._enter(coming)
            try:
                async with asyncio.timeout(remaining_s) as coming.waiting:
                    message = await receive()
            except TimeoutError:
                raise MienError(
                    Kind.SLOW_REQUEST, "The body did not come in time. Send a smaller picture, or all of it at once."
                ) from None
            finally:
                coming.waiting = None
            whole = not message.get("more_body", False)
            if whole:
                self._coming.pop(coming, None)
            return message

        try:
            yield take
        finally:
            self._coming.pop(coming, None)

    def _enter(self, coming: _Coming) -> None:
        if coming in self._coming:
            return
        self._coming[coming] = None
        if len(self._coming) > self._most:
            oldest = next(iter(self._coming))
            del self._coming[oldest]
            if oldest.waiting:
                oldest.waiting.reschedule(asyncio.get_running_loop().time())

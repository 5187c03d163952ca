"""How much of a stream is in work at once."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Window:
    """Bounds on the items of one stream that have been read and not yet answered; all at least 1.

    Attributes:
        bytes: of their messages; one that alone has more is taken when nothing else is in work.
        message_bytes: of one message: what gRPC was told to refuse beyond.
    """

    items: int
    bytes: int
    message_bytes: int


class Room:
    """What is taken of a window. One task takes, another gives back."""

    def __init__(self, window: Window) -> None:
        self._window = window
        self._given = asyncio.Event()
        self.items = 0
        self.bytes = 0

    async def free(self) -> None:
        """Wait until there is a place; how large the next item is, nobody knows before it is read."""
        while self.items >= self._window.items or self.bytes >= self._window.bytes:
            await self._next_given()

    async def take(self, size: int) -> None:
        """Take a place and so many bytes, as soon as they are free."""
        while self.items and (self.items >= self._window.items or self.bytes + size > self._window.bytes):
            await self._next_given()
        self.items += 1
        self.bytes += size

    def give(self, size: int) -> None:
        """Give back what was taken for one item."""
        self.items -= 1
        self.bytes -= size
        self._given.set()

    async def _next_given(self) -> None:
        self._given.clear()
        await self._given.wait()

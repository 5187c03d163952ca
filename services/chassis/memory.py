"""Bounds the pixels that are held at the same time, so that many large pictures wait instead of filling the memory."""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from services.chassis.turns import Turns

_UNIT_PIXELS = 1_000_000


class PixelBudget:
    """So many pixels at once, three bytes each; first come, first served, but single calls before patient ones."""

    def __init__(self, pixels: int) -> None:
        self._units = max(1, pixels // _UNIT_PIXELS)
        self._free = asyncio.Semaphore(self._units)
        self._turn = Turns(
            1
        )  # whoever has it keeps it until there is room: a single call can be behind one patient one

    @asynccontextmanager
    async def held(self, pixels: int) -> AsyncIterator[None]:
        """Wait until there is room, and take it for as long as the block runs; what is larger than all of it, alone."""
        units = min(math.ceil(pixels / _UNIT_PIXELS), self._units)
        taken = 0
        try:
            async with self._turn:  # one after the other: else two large pictures could wait for each other's rest
                while taken < units:
                    await self._free.acquire()
                    taken += 1
            yield
        finally:
            for _ in range(taken):
                self._free.release()

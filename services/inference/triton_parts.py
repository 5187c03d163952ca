"""One caller's rows on their way to a Triton that takes at most a batch of them at once."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from dataclasses import dataclass

from services.inference.backend import Tensors


@dataclass(slots=True)
class Parts:
    """One caller's rows as they are asked, at most a batch each: how many have gone, and how many came back."""

    turns: asyncio.Semaphore
    in_flight: int = 0
    answered: int = 0

    async def sent(self, request: Awaitable[tuple[Tensors, int]]) -> tuple[Tensors, int]:
        """What the request comes to."""
        self.in_flight += 1
        try:
            return await request
        finally:
            self.in_flight -= 1

    def let_in(self) -> bool:
        """Whether some are in already: then the others wait for a full queue, which may be full of their own."""
        return self.in_flight + self.answered > 0

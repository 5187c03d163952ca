"""A semaphore at which single calls go before patient ones."""

from __future__ import annotations

import asyncio
from contextlib import suppress

from services import calls
from services.lanes import Lanes


class Turns:
    """At most `places` inside at once: `async with turns`. Who has entered is never sent out again."""

    def __init__(self, places: int) -> None:
        self._free = places
        self._waiting: Lanes[asyncio.Future[None]] = Lanes()

    async def __aenter__(self) -> None:
        if self._free:
            self._free -= 1
            return
        turn = asyncio.get_running_loop().create_future()
        self._waiting.put([turn], patient=calls.patient())
        try:
            await turn
        except asyncio.CancelledError:
            if turn.cancelled():
                with suppress(ValueError):  # `_give` took it out, if a holder left in the same turn of the loop
                    self._waiting.remove(turn)
            else:  # the place was given to one who was leaving
                self._give()
            raise

    async def __aexit__(self, *failure: object) -> None:
        self._give()

    def _give(self) -> None:
        while self._waiting:
            turn = self._waiting.pop()
            if not turn.done():
                turn.set_result(None)
                return
        self._free += 1

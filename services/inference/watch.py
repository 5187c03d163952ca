"""Whether the models of a distant server can answer: the circuit breaker of a backend that lives in another process.

A server may say that it is ready while a model of it is dead, so what counts is answers: those that callers got, and
where there are none a synthetic inference. A model is taken out when the server is away, when a caller met its end, or
when a synthetic inference fails; it comes back when as many of those succeed, one after the other, as it has
instances. Nothing here knows Triton.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass

LOOK_EVERY_S = 0.5
IDLE_S = 5.0  # after so long without an answer a model is asked whether it still can
HUNG_S = 10.0  # after so long it is taken out even if all that is known is that it is late
_SILENT_LOOKS = 2  # a busy server may be slow once; one that refuses connections is away at once


@dataclass(slots=True)
class _State:
    up: bool = False
    suspect: bool = True
    answered: float = 0.0  # on the event loop's clock


class Watch:
    """Looks after the models of one server; make it inside a running event loop."""

    def __init__(
        self,
        instances: Mapping[str, int],
        alive: Callable[[], Awaitable[bool | None]],
        probe: Callable[[str], Awaitable[bool | None]],
        changed: Callable[[str, bool], None],
    ) -> None:
        """
        Args:
            instances: by model, how many of it may die apart.
            alive: whether the server is there; None: it did not say in time.
            probe: whether the model of this name answers; None: it did not say in time, as behind
                a long queue.
            changed: is told of every model that was taken out or came back.
        """
        self._instances, self._alive, self._probe, self._changed = instances, alive, probe, changed
        self._states = {name: _State() for name in instances}
        self._asked = asyncio.Event()
        self._silent = 0

    def up(self, model: str | None = None) -> bool:
        """Whether this model can answer; of none: whether all can."""
        return self._states[model].up if model else all(state.up for state in self._states.values())

    def answered(self, model: str) -> None:
        """A caller was answered by it."""
        self._states[model].answered = asyncio.get_running_loop().time()

    def doubt(self, model: str) -> None:
        """A caller met a failure that may be the model's, or its own: look at once."""
        self._states[model].suspect = True
        self._asked.set()

    def dead(self, model: str) -> None:
        """A caller met the end of a model, or of the server: nobody else shall."""
        self.doubt(model)
        self._set(model, up=False)

    async def run(self) -> None:
        """Look again and again, until cancelled."""
        while True:
            await self.look()
            with suppress(TimeoutError):
                async with asyncio.timeout(LOOK_EVERY_S):
                    await self._asked.wait()
            self._asked.clear()
            await asyncio.sleep(LOOK_EVERY_S / 10)  # doubts that come in a crowd are looked at together

    async def look(self) -> None:
        """Look once at the server, and at the models that need it."""
        alive = await self._alive()
        self._silent = self._silent + 1 if alive is None else 0
        if alive is False or self._silent >= _SILENT_LOOKS:
            for name in self._states:
                self._set(name, up=False)
        elif alive:
            await asyncio.gather(*(self._look_at(name, state) for name, state in self._states.items()))

    async def _look_at(self, name: str, state: _State) -> None:
        if state.up and not state.suspect and asyncio.get_running_loop().time() - state.answered < IDLE_S:
            return
        state.suspect = False
        for _ in range(1 if state.up else self._instances[name]):
            answers = await self._probe(name)
            if answers is None and asyncio.get_running_loop().time() - state.answered < HUNG_S:
                return
            if not answers:
                self._set(name, up=False)
                return
        if state.suspect:
            return  # while it was looked at, somebody met another failure
        self.answered(name)
        self._set(name, up=True)

    def _set(self, name: str, *, up: bool) -> None:
        if self._states[name].up is not up:
            self._states[name].up = up
            self._changed(name, up)

"""Admission: which calls or streams a service takes on. One more than it can answer is refused at once, never queued.

It is refused for want of a place, which bounds memory; because those before it take too long (`pace`): longer than
anybody shall wait, or than its deadline leaves (to begin it would cost others their answers, and it would get none); or
because its caller has more than a fair share of the places (`shares`), those counted that can be answered in time.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from services import calls
from services.chassis.pace import Pace
from services.chassis.shares import Shares
from services.errors import Kind, MienError

_SURE = 0.5  # of what the deadline leaves may be wait by the estimate, which is a mean, and the work itself takes time


class Place:
    """What a call has while it is admitted. Set `answered` when it got what it asked for."""

    def __init__(self, pace: Pace) -> None:
        self._pace, self._begun = pace, False
        self.answered = False

    def begin(self) -> None:
        """From here on it keeps others waiting: its message is here whole. A call that costs nothing never begins."""
        if not self._begun:
            self._begun = True
            self._pace.began()

    def leave(self) -> None:
        if self._begun:
            self._pace.ended(answered=self.answered)


class Admission:
    """At most `limit` at once, of what `what` names in the plural; for one event loop."""

    def __init__(
        self,
        limit: int,
        what: str = "requests",
        *,
        target_s: float = math.inf,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`target_s`: the longest that a call shall wait for those before it."""
        self.limit, self.what, self._target_s = limit, what, target_s
        self.in_flight = 0
        self._pace = Pace(clock)
        self._shares = Shares()

    def wait_s(self) -> float:
        """How long a call that came now would wait."""
        return self._pace.wait_s()

    def check(self, places: int = 1, *, within_s: float | None = None) -> None:
        """Whether so many places would be given now; nothing is held, so a moment later they may be gone.

        Args:
            within_s: what is left of the caller's deadline; None: it has not to wait for others.

        Raises:
            MienError: QUEUE_FULL if fewer are free, the wait would be too long, or the caller has its share; with
                the time after which it would not be so.
        """
        free = self.limit - self.in_flight
        if places > free:
            raise MienError(
                Kind.QUEUE_FULL,
                f"{self.limit} {self.what} are being answered already. Wait and try again.",
                retry_after_s=max(1.0, self._pace.gap_s),
            )
        wait_s = self._pace.wait_s()
        bearable_s = math.inf if within_s is None else min(self._target_s, _SURE * within_s)
        if wait_s > bearable_s:
            raise MienError(
                Kind.QUEUE_FULL,
                "Those that came before would take too long. Wait and try again, or allow more time.",
                retry_after_s=max(wait_s - bearable_s, self._pace.gap_s),
            )
        if not self._shares.allow(calls.caller(), places, min(free, self._pace.room(bearable_s))):
            raise MienError(
                Kind.QUEUE_FULL,
                f"This key has its share of the {self.limit} {self.what} answered at once. Wait and try again.",
                retry_after_s=max(1.0, self._pace.gap_s),
            )

    @contextmanager
    def admitted(self, places: int = 1, *, within_s: float | None = None) -> Iterator[Place]:
        """Hold so many places for as long as the block runs; arguments and errors are those of `check`."""
        self.check(places, within_s=within_s)
        self.in_flight += places
        place = Place(self._pace)
        try:
            with self._shares.held(calls.caller(), places):
                yield place
        finally:
            self.in_flight -= places
            place.leave()

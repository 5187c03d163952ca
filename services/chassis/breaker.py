"""A circuit breaker before a service behind this one: callers of one that does not answer are told so at once.

It opens when `MOST_FAILURES` calls in a row got no answer and the last answer is `SILENCE_S` ago: a service that is
overloaded fails many calls, but answers others meanwhile. Open, it refuses; after a pause one call at a time goes
through to see whether there is somebody again. An error of the service's own is an answer.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from services.errors import Kind, MienError

MOST_FAILURES, SILENCE_S, PAUSE_S = 5, 1.0, 1.0
HUNG_S = 1.0  # a deadline that left less time says nothing about the service


class Breaker:
    """Of one service, whichever of its processes a call comes to; for one event loop."""

    def __init__(self, opened: Callable[[bool], None], clock: Callable[[], float] = time.monotonic) -> None:
        """`opened` is told when it opens (True) and when it closes."""
        self._opened, self._clock = opened, clock
        self._failures = 0
        self._answered = clock()
        self._next: float | None = None  # when the next one may try; None: closed
        self._probing = False

    def enter(self) -> bool:
        """Before each call; whether it is the one that tries. `answered`, `failed` or `left` must follow.

        Raises:
            MienError: UNAVAILABLE: it is open.
        """
        if self._next is None:
            return False
        wait_s = self._next - self._clock()
        if wait_s > 0 or self._probing:
            raise MienError(
                Kind.UNAVAILABLE,
                "A service behind this one has not answered for a while. Try again.",
                retry_after_s=max(wait_s, PAUSE_S),
            )
        self._probing = True
        return True

    def answered(self, probe: bool) -> None:
        """There was an answer; of a call that was made before it opened, too."""
        self._failures, self._answered = 0, self._clock()
        self.left(probe)
        if self._next is not None:
            self._next = None
            self._opened(False)

    def failed(self, probe: bool) -> None:
        """There was none, or none that can be read."""
        self._failures += 1
        now, closed = self._clock(), self._next is None
        if probe or (closed and self._failures >= MOST_FAILURES and now - self._answered >= SILENCE_S):
            self._next = now + PAUSE_S
        self.left(probe)
        if closed and self._next is not None:
            self._opened(True)

    def left(self, probe: bool) -> None:
        """The caller gave up before anybody could know."""
        if probe:
            self._probing = False

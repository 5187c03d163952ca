"""How fast a service answers of late, and so how long a call that came now would wait. For one event loop.

What is measured is the time from one answer to the next while there is work: however many threads, batches and services
an answer takes, that many calls leave in that many seconds. A call that fails answers nothing: its time is part of what
the next answer took. So a service whose calls all come too late seems slow, as it is, and not fast.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable

_NEWEST = 0.05  # of the mean; answers come in bursts, as batches do, and one burst must not decide


class Pace:
    """Of the calls that are being worked at."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._since = 0.0
        self.working = 0
        self.gap_s = 0.0  # 0 until the first answer

    def began(self) -> None:
        """One more is worked at."""
        if not self.working:
            self._since = self._clock()
        self.working += 1

    def ended(self, *, answered: bool) -> None:
        """One less; whether it got what it asked for."""
        self.working -= 1
        if not answered:
            return
        now = self._clock()
        gap_s, self._since = now - self._since, now
        self.gap_s = (1 - _NEWEST) * self.gap_s + _NEWEST * gap_s if self.gap_s else gap_s

    def wait_s(self) -> float:
        """How long those that are worked at take, and so the next one's wait."""
        return self.working * self.gap_s

    def room(self, within_s: float) -> float:
        """How many more may come before one waits longer than that; at least one."""
        return max(1.0, within_s / self.gap_s - self.working) if self.gap_s else math.inf

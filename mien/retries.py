"""When a failed call is made again."""

from __future__ import annotations

import random
import time
from dataclasses import dataclass

from mien.outcomes import CallError

_FIRST_S, _LONGEST_S = 0.1, 5.0


@dataclass(frozen=True, slots=True)
class Retries:
    """At most `most` more tries, none of them after `until` (`time.monotonic()`)."""

    most: int
    until: float

    def remaining_s(self) -> float:
        """Seconds left for the next try, at least 0."""
        return max(0.0, self.until - time.monotonic())

    def pause_s(self, error: CallError, tries: int) -> float:
        """How long to wait after so many tries, from 1: what the server said, else twice as long each time; jittered.

        Raises:
            CallError: this one, where another try would be in vain or too late.
        """
        backoff_s: float = min(_LONGEST_S, _FIRST_S * 2 ** (tries - 1)) * random.uniform(0.5, 1.0)  # noqa: S311
        pause_s = error.retry_after_s + backoff_s
        if not error.retryable or tries > self.most or pause_s >= self.remaining_s():
            raise error
        return pause_s

"""What each key has used: a bucket of tokens for its rate, and its calls in work.

The bucket holds `burst` tokens and gets `per_second` anew; a call takes one. A form with many photos takes one for
each, and may leave the bucket in debt: it is answered, and what comes after it waits the longer.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from services.chassis.keys import Key
from services.errors import Kind, MienError

_QUOTA_S = 1.0  # when to ask again where nobody knows when a call will end


class Account:
    """Of one key; for one event loop. `key` may be replaced by another of the same id: what was used stays used."""

    def __init__(self, key: Key, clock: Callable[[], float] = time.monotonic) -> None:
        self.key, self._clock = key, clock
        self.in_work = 0
        self._tokens, self._counted_s = key.burst, clock()

    @contextmanager
    def call(self) -> Iterator[None]:
        """One call, for as long as the block runs.

        Raises:
            MienError: RATE_EXCEEDED or QUOTA_EXCEEDED.
        """
        if self.key.at_once and self.in_work >= self.key.at_once:
            raise MienError(
                Kind.QUOTA_EXCEEDED,
                f"This key may have {self.key.at_once} calls in work at once. Wait for one to end.",
                retry_after_s=_QUOTA_S,
            )
        wait_s = self.wait_s()
        if wait_s:
            raise MienError(
                Kind.RATE_EXCEEDED,
                f"This key may make {self.key.per_second:g} calls a second. Wait and try again.",
                retry_after_s=wait_s,
            )
        self.take(1)
        self.in_work += 1
        try:
            yield
        finally:
            self.in_work -= 1

    def wait_s(self) -> float:
        """Seconds until the bucket holds a token; 0: it does."""
        key, now = self.key, self._clock()
        if not key.per_second:
            return 0.0
        self._tokens = min(key.burst, self._tokens + (now - self._counted_s) * key.per_second)
        self._counted_s = now
        # a millionth: a caller who comes after just so long shall not be sent away for a rounding
        return 0.0 if self._tokens >= 1 - 1e-6 else (1 - self._tokens) / key.per_second

    def take(self, tokens: int) -> None:
        """Count so many, whether or not there are as many."""
        if self.key.per_second:
            self._tokens -= tokens

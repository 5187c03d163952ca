"""Fair shares of the places of an admission: no key takes them all.

A caller gets at most `GREED` times as many places as it leaves free: alone three quarters of them, and two greedy ones
three sevenths each. So whoever comes next finds a place, and nobody has to be counted, foreseen or thrown out
(Choudhury and Hahne, "Dynamic queue length thresholds", 1998). Without keys there is one nameless caller,
who may take all.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

GREED = 3


def most_of(places: int, keys: bool) -> int:
    """How many of all places a caller may have when nobody else has any; `keys`: whether callers have names."""
    return max(1, places * GREED // (GREED + 1)) if keys else places


class Shares:
    """Who holds how many places; for one event loop."""

    def __init__(self) -> None:
        self._held: Counter[str] = Counter()

    def allow(self, caller: str, places: int, free: float) -> bool:
        """Whether the caller may take so many of those that are free; its first are always its."""
        held = self._held[caller] if caller else 0
        return not (held and places) or held + places <= GREED * (free - places)

    @contextmanager
    def held(self, caller: str, places: int) -> Iterator[None]:
        """They are the caller's for as long as the block runs."""
        self._held[caller] += places
        try:
            yield
        finally:
            self._held[caller] -= places
            if not self._held[caller]:
                del self._held[caller]

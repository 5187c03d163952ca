"""Admission: how many calls or streams a service answers at once. One more is refused at once, never queued."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from services.errors import Kind, MienError


class Admission:
    """At most `limit` at once, of what `what` names in the plural; for one event loop."""

    def __init__(self, limit: int, what: str = "requests") -> None:
        self.limit, self.what = limit, what
        self.in_flight = 0

    @contextmanager
    def admitted(self, places: int = 1) -> Iterator[None]:
        """Hold so many places for as long as the block runs.

        Raises:
            MienError: QUEUE_FULL if fewer are free.
        """
        if self.in_flight + places > self.limit:
            raise MienError(
                Kind.QUEUE_FULL,
                f"{self.limit} {self.what} are being answered already. Wait and try again.",
                retry_after_s=1.0,
            )
        self.in_flight += places
        try:
            yield
        finally:
            self.in_flight -= places

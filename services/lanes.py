"""Who goes first where work waits: single calls before patient ones (`calls.patient`), each in the order they came.

Nobody starves: after `MOST_PASSED` turns in a row in which a patient one was passed over, the next turn is its.
Kept by the batcher's queue, the threads and the turnstiles; not thread-safe by itself.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator
from itertools import chain
from typing import Generic, TypeVar

T = TypeVar("T")

MOST_PASSED = 8


class Lanes(Generic[T]):
    """Two lines of waiting that are served as one; no two items may be equal."""

    def __init__(self) -> None:
        self.hurried: deque[T] = deque()
        self.patient: deque[T] = deque()
        self._passed = 0

    def __len__(self) -> int:
        return len(self.hurried) + len(self.patient)

    def __iter__(self) -> Iterator[T]:
        """All, in the order in which they would be taken now."""
        if self._passed < MOST_PASSED or not self.patient:
            return chain(self.hurried, self.patient)
        first, *others = self.patient
        return chain([first], self.hurried, others)

    def put(self, items: Iterable[T], *, patient: bool) -> None:
        """Add at the end of their line."""
        (self.patient if patient else self.hurried).extend(items)

    def take(self, items: Collection[T], gone: Callable[[T], bool] = lambda item: False) -> list[T]:
        """One turn: remove these, which must be the first of `iter`, but for those among them who are `gone`.

        Returns all that were removed, the gone ones too.
        """
        waited, removed = len(self.patient), []
        for lane in (self.hurried, self.patient):
            while lane and (lane[0] in items or gone(lane[0])):
                removed.append(lane.popleft())
        passed_over = bool(self.patient) and len(self.patient) == waited
        self._passed = self._passed + 1 if passed_over else 0
        return removed

    def pop(self) -> T:
        """One turn of one; there must be one."""
        first = next(iter(self))
        self.take((first,))
        return first

    def remove(self, item: T) -> None:
        """Give up waiting.

        Raises:
            ValueError: it does not wait here.
        """
        (self.hurried if item in self.hurried else self.patient).remove(item)

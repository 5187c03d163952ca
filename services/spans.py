"""Where a call's time went, told to whoever traces: named spans, each within the one that was begun before it.

Nobody traces unless the composition root says so (`record`); then all of this does nothing, and no library is loaded.
What records is `chassis.tracing`. A span's values are plain, as an access line's are: never content, names of files or
keys. The services' own words are the names: routes, RPCs, stages, models.
"""

from __future__ import annotations

import contextvars
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from functools import partial
from typing import Protocol, Self, TypeVar

from services.errors import Kind

T = TypeVar("T")
Values = Mapping[str, str | int | float]


class Span(Protocol):
    """One that has begun."""

    def rename(self, name: str) -> None:
        """Call it so."""

    def note(self, values: Values) -> None:
        """Say this about it too."""

    def fail(self, kind: Kind) -> None:
        """It came to this instead of a result."""


class Recorder(Protocol):
    """Keeps spans. The current one is a matter of context variables: tasks inherit it."""

    def serving(self, name: str, caller: Mapping[str, str]) -> AbstractContextManager[Span]:
        """See `serving`."""

    def span(self, name: str, values: Values) -> AbstractContextManager[Span]:
        """See `span`."""

    def past(self, name: str, began_s: float, ended_s: float, values: Values) -> None:
        """See `past`."""

    def headers(self) -> dict[str, str]:
        """See `headers`."""

    def trace_id(self) -> str:
        """See `trace_id`."""


class _Nothing:
    """A span that nobody records; it can be entered any number of times."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def rename(self, name: str) -> None:
        pass

    def note(self, values: Values) -> None:
        pass

    def fail(self, kind: Kind) -> None:
        pass


NOTHING = _Nothing()
_recorder: Recorder | None = None


def record(recorder: Recorder | None) -> None:
    """From now on this process's spans go there; None: nowhere."""
    global _recorder
    _recorder = recorder


def serving(name: str, caller: Mapping[str, str]) -> AbstractContextManager[Span]:
    """A call's span, for as long as the block runs; its own outcome is told with `fail`.

    Args:
        caller: headers or metadata that came with it, names in lower case. A `traceparent` among them is its parent
            (https://www.w3.org/TR/trace-context/); without one it begins a trace, with a link to the current span.
    """
    return _recorder.serving(name, caller) if _recorder else NOTHING


def span(name: str, values: Values | None = None) -> AbstractContextManager[Span]:
    """A part of the current span, for as long as the block runs; it fails if the block does. None outside a call."""
    return _recorder.span(name, values or {}) if _recorder else NOTHING


def past(name: str, began_s: float, ended_s: float, values: Values) -> None:
    """A part of the current span that is over; seconds of `time.perf_counter`."""
    if _recorder:
        _recorder.past(name, began_s, ended_s, values)


def traced(name: str, work: Callable[[], T]) -> Callable[[], T]:
    """The same work, for any thread: it will be a part of the span that is the current one now."""
    return partial(contextvars.copy_context().run, _within, name, work) if _recorder else work


def headers() -> dict[str, str]:
    """What a call to another service must carry (`traceparent`) to become a part of the current span."""
    return _recorder.headers() if _recorder else {}


def trace_id() -> str:
    """The current trace's, 32 hex digits; empty where none is kept."""
    return _recorder.trace_id() if _recorder else ""


def _within(name: str, work: Callable[[], T]) -> T:
    with span(name):
        return work()

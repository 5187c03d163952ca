"""What a call carries besides its message: its id and its deadline, kept in context variables.

The transports set them at the edge; clients of further services read them to pass on what is left, and the inference
backend to drop doomed work. Code between need not hand them through.
"""

from __future__ import annotations

import re
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field


@dataclass(slots=True)
class Call:
    """One call being answered.

    Attributes:
        request_id: 1–64 characters of `A-Z a-z 0-9 . _ -`.
        deadline: `time.monotonic()` by which the caller wants the answer.
        notes: what the access line shall say besides (faces, model …); plain values, never content or names of files.
    """

    request_id: str
    deadline: float
    notes: dict[str, str | int | float] = field(default_factory=dict)


_current: ContextVar[Call | None] = ContextVar("mien_call", default=None)
_ACCEPTABLE_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")


def new_id(offered: str | None) -> str:
    """The caller's own id if it is acceptable, else a fresh one."""
    return offered if offered and _ACCEPTABLE_ID.fullmatch(offered) else uuid.uuid4().hex


@contextmanager
def answering(request_id: str, timeout_s: float) -> Iterator[Call]:
    """Make this the current call for as long as the block runs."""
    call = Call(request_id, time.monotonic() + timeout_s)
    token = _current.set(call)
    try:
        yield call
    finally:
        _current.reset(token)


def request_id() -> str:
    """The current call's id; empty outside a call."""
    call = _current.get()
    return call.request_id if call else ""


def remaining_s() -> float | None:
    """Seconds until the current call's deadline, at least 0; None outside a call."""
    call = _current.get()
    return max(0.0, call.deadline - time.monotonic()) if call else None


def note(**values: str | int | float) -> None:
    """Add to the current call's access line."""
    call = _current.get()
    if call:
        call.notes.update(values)

"""What a call carries besides its message: its id, its deadline and its patience, kept in context variables.

The transports set them at the edge; clients of further services read them to pass on what is left, the inference
backend to drop doomed work, and whatever has a queue to know who goes first. Code between need not hand them through.
"""

from __future__ import annotations

import os
import random
import re
import time
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
        patient: an item of a stream: others go before, and it waits where a single call would be refused.
        caller: the id of its key, which logs may show; empty where no key was asked for.
        draw: a number in [0, 1) that is drawn once for the call: all that is left to chance in it goes by this one.
        notes: what the access line shall say besides (faces, model …); plain values, never content or names of files.
    """

    request_id: str
    deadline: float
    patient: bool = False
    caller: str = ""
    draw: float = field(default_factory=random.random)
    notes: dict[str, str | int | float] = field(default_factory=dict)


_current: ContextVar[Call | None] = ContextVar("mien_call", default=None)
_ACCEPTABLE_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")


def new_id(offered: str | None) -> str:
    """The caller's own id if it is acceptable, else a fresh one."""
    return offered if offered and _ACCEPTABLE_ID.fullmatch(offered) else os.urandom(16).hex()


@contextmanager
def answering(request_id: str, timeout_s: float, *, patient: bool = False) -> Iterator[Call]:
    """Make this the current call for as long as the block runs."""
    call = Call(request_id, time.monotonic() + timeout_s, patient)
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


def patient() -> bool:
    """Whether the current call lets others go before; False outside a call."""
    call = _current.get()
    return call.patient if call else False


def known_as(caller: str) -> None:
    """The current call was made with the key of this id; its access line says so."""
    call = _current.get()
    if call:
        call.caller = caller
        call.notes["caller"] = caller


def caller() -> str:
    """Who makes the current call; empty where nobody asked."""
    call = _current.get()
    return call.caller if call else ""


def draw() -> float:
    """The current call's number in [0, 1); a fresh one outside a call."""
    call = _current.get()
    return call.draw if call else random.random()  # noqa: S311 (chance, not secrecy)


def note(**values: str | int | float) -> None:
    """Add to the current call's access line."""
    call = _current.get()
    if call:
        call.notes.update(values)

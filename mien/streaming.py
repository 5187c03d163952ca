"""One stream of the blocking client: requests leave in gRPC's own thread, answers come in the caller's."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Any

import grpc

from mien.outcomes import Outcome, call_error
from mien.unanswered import Unanswered


def outcomes(method: Any, requests: Iterator[Any]) -> Iterator[Outcome]:
    """Send the requests as the server's window allows, and yield their outcomes in order.

    Raises:
        CallError: the stream ended before all were answered.
        Exception: what `requests` raised, after the outcomes of what it had given before.
    """
    sender = _Sender(requests)
    call = method(sender.messages())
    try:
        for reply in call:
            outcome = sender.answered(reply)
            if outcome:
                yield outcome
    except grpc.RpcError as failure:
        raise call_error(failure) from None
    finally:
        sender.end()
        call.cancel()
    if sender.failure:
        raise sender.failure


class _Sender:
    """Hands requests to gRPC; `messages` runs in gRPC's thread, the rest in the caller's."""

    def __init__(self, requests: Iterator[Any]) -> None:
        self._requests = requests
        self._unanswered = Unanswered()
        self._changed = threading.Condition()
        self._ended = False
        self.failure: Exception | None = None

    def messages(self) -> Iterator[Any]:
        """What to send, each as soon as there is room for it."""
        while self._waited(self._unanswered.has_place):
            try:
                request = next(self._requests, None)
            except Exception as error:
                self.failure = error
                return
            if request is None or not self._waited(lambda: self._unanswered.has_room(request)):  # noqa: B023
                return
            with self._changed:
                message = self._unanswered.sending(request)
            yield message

    def answered(self, reply: Any) -> Outcome | None:
        """See `Unanswered.answered`."""
        with self._changed:
            outcome = self._unanswered.answered(reply)
            self._changed.notify_all()
            return outcome

    def end(self) -> None:
        """Let `messages` end."""
        with self._changed:
            self._ended = True
            self._changed.notify_all()

    def _waited(self, true: Callable[[], bool]) -> bool:
        """Wait for it; False: the stream has ended."""
        with self._changed:
            self._changed.wait_for(lambda: self._ended or true())
            return not self._ended

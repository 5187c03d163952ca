"""What a stream has sent and got no answer to yet, and whether the server's window has room for more."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Any

from mien.outcomes import CallError, Outcome, outcome_of
from mien.v1 import mien_pb2 as pb


@dataclass(frozen=True, slots=True)
class _Sent:
    size: int
    refused: CallError | None


class Unanswered:
    """The account of one stream; until the window came there is no room. Not thread-safe by itself."""

    def __init__(self) -> None:
        self._window: pb.StreamWindow | None = None
        self._sent: deque[_Sent] = deque()
        self._bytes = 0

    def has_place(self) -> bool:
        """Whether one more item may be taken from the caller, whatever its size will be."""
        window = self._window
        return window is not None and (
            not self._sent or (len(self._sent) < window.items and self._bytes < window.bytes)
        )

    def has_room(self, request: Any) -> bool:
        """Whether this one may be sent now; one that alone is over the window, when nothing else is unanswered."""
        window = self._window
        return self.has_place() and (
            window is None or not self._sent or self._bytes + request.ByteSize() <= window.bytes
        )

    def sending(self, request: Any) -> Any:
        """Enter it, and return what to send.

        A message over the limit would end the stream for all: an empty one of the same id keeps its place instead.
        """
        refused, most = None, self._window.message_bytes if self._window else 0
        if most and request.ByteSize() > most:
            refused = CallError("too_many_bytes", f"A request may have at most {most} bytes.", field="image")
            request = type(request)(id=request.id[:1000])
        self._sent.append(_Sent(request.ByteSize(), refused))
        self._bytes += request.ByteSize()
        return request

    def answered(self, reply: Any) -> Outcome | None:
        """Strike out the first; its outcome, or None where this was the window."""
        if reply.WhichOneof("outcome") == "window":
            self._window = reply.window
            return None
        sent = self._sent.popleft()
        self._bytes -= sent.size
        return Outcome(reply.id, error=sent.refused) if sent.refused else outcome_of(reply)

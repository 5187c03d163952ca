"""REST connections that take a place and do nothing: each is closed in time, and there are never more than so many.

uvicorn closes a connection that is idle behind an answer. It waits for ever for a request's head, and for a caller to
take an answer that is written: a sweep each second ends both. Used by `server` for each REST port.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from uvicorn.protocols.http.h11_impl import H11Protocol

from services.chassis.problems import problem
from services.errors import Kind, MienError

_SWEEP_S = 1.0
_LEAST_BYTES_PER_S = 1024  # whoever takes his answer more slowly does not want it


@dataclass(frozen=True, slots=True)
class Limits:
    """What a caller may take of a port's connections.

    Attributes:
        connections: at most so many at once; one more takes the place of the one that has been idle longest.
        head_s: the longest from a connection's opening, or its last answer, to a whole request's head.
        unread_s: the longest that nothing, or next to nothing, of an answer is taken.
    """

    connections: int = 512
    head_s: float = 10.0
    unread_s: float = 30.0


@dataclass(slots=True)
class _Seen:
    """A connection as the sweep found it: since when without a call, and what of an answer was unread at `marked`."""

    cycle: object
    idle_since: float
    marked: float
    unread_bytes: int = 0


class Connections:
    """Those of one port; uvicorn asks `open` for the protocol of each."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._seen: dict[H11Protocol, _Seen] = {}

    def open(self, **parts: Any) -> asyncio.Protocol:
        """uvicorn's own, or one that refuses where all are in a call."""
        connections = parts["server_state"].connections
        if len(connections) >= self._limits.connections and not self._drop(connections):
            return _Refusal(self._limits.connections)
        return H11Protocol(**parts)

    async def sweep(self, connections: set[H11Protocol]) -> None:
        """Look at them each second, for ever."""
        while True:
            self.look(connections, time.monotonic())
            await asyncio.sleep(_SWEEP_S)

    def look(self, connections: Iterable[H11Protocol], now: float) -> None:
        """Close those that have had their time."""
        seen = self._seen
        self._seen = {each: seen.get(each) or _Seen(None, now, now) for each in connections}
        for connection, found in self._seen.items():
            if _calling(connection) or connection.cycle is not found.cycle:
                found.cycle, found.idle_since = connection.cycle, now
            if now - found.idle_since >= self._limits.head_s:
                connection.transport.close()
            if self._stuck(found, connection.transport.get_write_buffer_size(), now):
                connection.transport.abort()

    def _stuck(self, found: _Seen, unread_bytes: int, now: float) -> bool:
        late = now - found.marked >= self._limits.unread_s
        taken = found.unread_bytes - unread_bytes
        if late and unread_bytes and 0 <= taken < _LEAST_BYTES_PER_S * self._limits.unread_s:
            return True
        if late or not unread_bytes or taken < 0:
            found.marked, found.unread_bytes = now, unread_bytes
        return False

    def _drop(self, connections: Iterable[H11Protocol]) -> bool:
        """Make room: close the one that has been idle longest. False: all are in a call."""
        idle = [each for each in connections if not _calling(each) and not each.transport.is_closing()]
        if not idle:
            return False
        never_seen = time.monotonic()
        longest = min(idle, key=lambda each: self._seen[each].idle_since if each in self._seen else never_seen)
        longest.transport.close()
        return True


def _calling(connection: H11Protocol) -> bool:
    return connection.cycle is not None and not connection.cycle.response_complete


class _Refusal(asyncio.Protocol):
    """Says so, and closes."""

    def __init__(self, limit: int) -> None:
        sentence = f"{limit} connections are open already. Wait and try again."
        self._error = MienError(Kind.QUEUE_FULL, sentence, retry_after_s=1.0)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        answer = problem(self._error)
        head = b"".join(name + b": " + value + b"\r\n" for name, value in answer.raw_headers)
        transport.write(
            b"HTTP/1.1 %d \r\nconnection: close\r\n%b\r\n%b" % (answer.status_code, head, bytes(answer.body))
        )
        transport.close()

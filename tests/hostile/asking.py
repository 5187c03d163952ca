"""Sending hostile cases to the running process, each on a connection of its own, and hearing what comes."""

from __future__ import annotations

import contextlib
import re
import socket
import time
from urllib.parse import urlsplit

import grpc
import httpx

from tests.hostile.judging import CLOSED, LIMIT_S, Answer, Case

_STATUS = re.compile(rb"(?:\A|\r\n\r\n|[^\r\n])HTTP/1\.1 (\d{3}) ")
Metadata = tuple[tuple[str, str | bytes], ...]
_READ_BYTES = 1 << 16
_KEEP_BYTES = 1 << 20
_LATE_S = LIMIT_S + 5  # a caller hears of a hang before it gives up


def send_picture(client: httpx.Client, url: str, case: Case) -> Answer:
    """As the raw body of a request."""
    begun = time.monotonic()
    try:
        reply = client.post(url, content=case.data, headers={"Content-Type": "image/jpeg"}, timeout=_LATE_S)
    except httpx.TimeoutException:
        return Answer(CLOSED, b"", time.monotonic() - begun)
    except httpx.TransportError:
        return Answer(CLOSED, b"", 0.0)
    return Answer(str(reply.status_code), reply.content, time.monotonic() - begun)


def send_bytes(url: str, case: Case) -> Answer:
    """As they are, to the port of `url`; of several answers the worst one's status, and all of their text."""
    parts, begun = urlsplit(url), time.monotonic()
    received = bytearray()
    with socket.create_connection((parts.hostname or "", parts.port or 0), timeout=_LATE_S) as connection:
        with contextlib.suppress(ConnectionError):  # refused before all was sent: there is an answer
            connection.sendall(case.data)
        try:
            if not case.finished:
                connection.shutdown(socket.SHUT_WR)
            while data := connection.recv(_READ_BYTES):
                received += data[: _KEEP_BYTES - len(received)]
        except OSError:  # closed, or late, as the time tells; what came before counts
            pass
    return Answer(_status(bytes(received)), _body(bytes(received)), time.monotonic() - begun)


def _status(received: bytes) -> str:
    """Of the first answer, or of one that must not be."""
    statuses = [found[1].decode() for found in _STATUS.finditer(received) if found[1] != b"100"]
    return max(statuses) if any(one >= "500" for one in statuses) else next(iter(statuses), CLOSED)


def _body(received: bytes) -> bytes:
    """Without the first head: what a server says of dates and types is no leak."""
    return received.partition(b"\r\n\r\n")[2]


def send_messages(channel: grpc.Channel, method: str, case: Case, metadata: Metadata) -> Answer:
    """As the messages of a call: framed as on the wire, five bytes of flag and length before each."""
    begun, messages = time.monotonic(), unframed(case.data)
    try:
        if method.endswith("Stream"):
            for _ in channel.stream_stream(method)(iter(messages), timeout=_LATE_S, metadata=metadata):
                pass
        else:
            channel.unary_unary(method)(messages[0] if messages else b"", timeout=_LATE_S, metadata=metadata)
    except grpc.RpcError as error:
        return Answer(error.code().name, (error.details() or "").encode(), time.monotonic() - begun)
    return Answer("OK", b"", time.monotonic() - begun)


def framed(messages: list[bytes]) -> bytes:
    """As gRPC frames them."""
    return b"".join(b"\0" + len(message).to_bytes(4, "big") + message for message in messages)


def unframed(data: bytes) -> list[bytes]:
    """The messages."""
    messages = []
    while data:
        length = int.from_bytes(data[1:5], "big")
        messages.append(data[5 : 5 + length])
        data = data[5 + length :]
    return messages

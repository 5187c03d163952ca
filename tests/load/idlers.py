"""Callers who hold connections and do next to nothing, seven sorts of them; whoever is thrown out comes back."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Protocol

import grpc

from mien.v1 import mien_pb2_grpc
from tests.stack import Stack

_BEAT_S = 1.0
_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
_HEAD = b"POST /v1/classify HTTP/1.1\r\nHost: mien\r\nContent-Type: image/jpeg\r\n"
_LARGE = b"GET /static-offline-docs/swagger-ui-bundle.js HTTP/1.1\r\nHost: mien\r\n\r\n" * 10


class Caller(Protocol):
    """One who is slow."""

    def beat(self) -> None:
        """What is done each second, and coming back where that is needed."""

    def go(self) -> None:
        """Hang up."""


class Dripping:
    """A TCP connection: sends some bytes at once, then a byte each second if there is one to send; reads nothing."""

    def __init__(self, port: int, start: bytes = b"", drip: bytes = b"") -> None:
        self._port, self._start, self._drip = port, start, drip
        self._socket: socket.socket | None = None

    def beat(self) -> None:
        try:
            if self._socket is None:
                self._socket = self._connected()
            elif self._drip:
                self._socket.send(self._drip)
            if not self._start and not self._drip and self._socket.recv(1) == b"":
                self.go()
        except (BlockingIOError, TimeoutError):
            pass
        except OSError:
            self.go()

    def go(self) -> None:
        if self._socket:
            self._socket.close()
        self._socket = None

    def _connected(self) -> socket.socket:
        one = socket.socket()
        one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        one.settimeout(5.0)
        one.connect(("127.0.0.1", self._port))
        one.sendall(self._start)
        one.setblocking(False)
        return one


class Streaming:
    """A stream that is begun, and then neither sends nor ends."""

    def __init__(self, address: str) -> None:
        self._address = address
        self._channel: grpc.Channel | None = None
        self._over = threading.Event()

    def beat(self) -> None:
        if self._channel and self._call.is_active():
            return
        self.go()
        self._over = threading.Event()
        self._channel = grpc.insecure_channel(self._address, options=[("grpc.use_local_subchannel_pool", 1)])
        self._call = mien_pb2_grpc.GatewayStub(self._channel).ClassifyStream(self._nothing(self._over))

    def go(self) -> None:
        self._over.set()
        if self._channel:
            self._channel.close()
        self._channel = None

    @staticmethod
    def _nothing(over: threading.Event) -> Iterator[object]:
        over.wait()
        yield from ()


def sorts(server: Stack) -> dict[str, Callable[[], Caller]]:
    """By what they do."""
    rest, rpc = server.ports["GATEWAY_REST_PORT"], server.ports["GATEWAY_RPC_PORT"]
    return {
        "REST: nothing": lambda: Dripping(rest),
        "REST: a head, a byte a second": lambda: Dripping(rest, _HEAD, b"x"),
        "REST: a body, a byte a second": lambda: Dripping(rest, _HEAD + b"Content-Length: 50000\r\n\r\n", b"x"),
        "REST: asks, and reads nothing": lambda: Dripping(rest, _LARGE),
        "gRPC: nothing": lambda: Dripping(rpc),
        "gRPC: a preface": lambda: Dripping(rpc, _PREFACE),
        "gRPC: a stream without an item": lambda: Streaming(server.address()),
    }


@contextmanager
def present(server: Stack, count: int) -> Iterator[None]:
    """So many, of each sort the same number; begins when each has come once."""
    makers = list(sorts(server).values())
    callers = [makers[number % len(makers)]() for number in range(count)]
    over, come = threading.Event(), threading.Event()

    def live() -> None:
        while not over.wait(_BEAT_S if come.is_set() else 0.0):
            for caller in callers:
                with contextlib.suppress(OSError):
                    caller.beat()
            come.set()

    thread = threading.Thread(target=live)
    thread.start()
    try:
        come.wait()
        yield
    finally:
        over.set()
        thread.join()
        for caller in callers:
            caller.go()

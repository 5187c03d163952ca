"""Streams as a load: one that keeps the server busy, and ones whose callers read slowly or never."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import cycle

import grpc

from mien.client import Client
from mien.v1 import mien_pb2 as pb
from mien.v1 import mien_pb2_grpc
from tests.load.photos import photo
from tests.load.watch import answered, figure
from tests.stack import Stack

_PHOTOS = 16  # different ones, over and over
_LATE_S = 600.0
# Usual ones take megabytes of answers, many minutes of work, before the server hears that nobody reads.
_SMALL_BUFFERS = [("grpc.http2.bdp_probe", 0), ("grpc.http2.lookahead_bytes", 8192)]


def until(true: Callable[[], bool], what: str) -> None:
    """Wait for it.

    Raises:
        RuntimeError: it did not come.
    """
    deadline = time.monotonic() + _LATE_S
    while not true():
        if time.monotonic() > deadline:
            raise RuntimeError(f"{what}: not within {_LATE_S:.0f} s")
        time.sleep(0.2)


def in_flight(server: Stack) -> int:
    """Items begun whose answer has not left, of all ClassifyStreams."""
    return int(figure(server, "mien_stream_items_in_flight", method="ClassifyStream"))


@contextmanager
def saturating(server: Stack, window: int) -> Iterator[None]:
    """A stream that is read as fast as it is answered; begins when its window is full."""
    over = threading.Event()

    def ask() -> None:
        with Client(server.address()) as client:
            for _ in client.classify_stream(("", data) for data in cycle(_photos())):
                if over.is_set():
                    return

    thread = threading.Thread(target=ask)
    thread.start()
    try:
        until(lambda: in_flight(server) >= window - 1, "the stream's window is full")
        yield
    finally:
        over.set()
        thread.join()
        until(lambda: not in_flight(server), "the stream's end")


@contextmanager
def held(server: Stack, every_s: float | None) -> Iterator[None]:
    """A stream that sends all that it may and reads an answer each `every_s` seconds; None: it never reads.

    Not by the client of this project: that one keeps to the window by itself.
    """
    over = threading.Event()
    with grpc.insecure_channel(server.address(), options=_SMALL_BUFFERS) as channel:
        requests = (
            pb.GatewayClassifyStreamRequest(item=pb.GatewayClassifyRequest(image=data)) for data in cycle(_photos())
        )
        call = mien_pb2_grpc.GatewayStub(channel).ClassifyStream(requests)

        def read() -> None:
            while every_s is not None and not over.wait(every_s):
                next(call)

        thread = threading.Thread(target=read)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()
            call.cancel()


def worked(server: Stack) -> int:
    """Photos that have been read so far, of streams and single calls."""
    return int(figure(server, "mien_stage_duration_seconds_count", stage="classify"))


@contextmanager
def both_held(server: Stack, every_s: float, window: int) -> Iterator[None]:
    """A slow reader and one that never reads; begins when only they are waited for: the buffers on the way are full,
    and nearly all that was begun has been read."""
    read, gone = worked(server), answered(server)

    def full() -> bool:
        begun = in_flight(server)
        return begun >= 2 * window - 1 and worked(server) - read >= answered(server) - gone + begun - 1

    with held(server, every_s), held(server, None):
        until(full, "the buffers are full")
        yield
    until(lambda: not in_flight(server), "the streams' end")


def _photos() -> list[bytes]:
    return [photo(number) for number in range(_PHOTOS)]

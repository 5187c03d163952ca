"""Callers who hang up while their photo waits: how many of them cost an inference all the same.

    python -m tests.load.departures [--calls 500] [--into docs/reliability.md]

Sixteen callers keep the gateway busy. Beside them others come by REST and gRPC in turn, send a whole photo and leave
before its turn. Rows that the face detector inferred, less the photos that were answered, were work for nobody. Ends
with 1 where less than nine in ten were cancelled before, or a gauge stays up.
"""

from __future__ import annotations

import argparse
import http.client
import math
import random
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import grpc

from mien.v1 import mien_pb2 as pb
from mien.v1 import mien_pb2_grpc
from tests.load import page
from tests.load.photos import photo
from tests.load.slow import busy
from tests.load.watch import figure
from tests.stack import Stack, running

_BUSY, _LEAVING = 16, 8
_STAY_S = (0.02, 0.2)  # shorter than the queue of sixteen
_LEAST_SHARE = 0.9
_IDLE_S = 60.0


@dataclass(slots=True)
class Count:
    """Calls that were answered; for many threads."""

    value: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self) -> None:
        with self.lock:
            self.value += 1


def rows(server: Stack) -> int:
    """Rows that the face detector has inferred."""
    return int(figure(server, "mien_batch_rows_sum", model="face_detector"))


def rows_of(server: Stack, data: bytes) -> int:
    """How many this photo takes."""
    before = rows(server)
    assert posted(server, data).getresponse().status == 200
    return rows(server) - before


def posted(server: Stack, data: bytes) -> http.client.HTTPConnection:
    """A whole request on its way."""
    connection = http.client.HTTPConnection("127.0.0.1", server.ports["GATEWAY_REST_PORT"], timeout=120)
    connection.request("POST", "/v1/classify", data, {"Content-Type": "image/jpeg"})
    return connection


@contextmanager
def saturated(server: Stack, data: bytes, answered: Count) -> Iterator[None]:
    """Busy until the block ends and all that was asked is answered."""
    over = threading.Event()

    def ask() -> None:
        while not over.is_set():
            connection = posted(server, data)
            if connection.getresponse().status == 200:
                answered.add()
            connection.close()

    threads = [threading.Thread(target=ask) for _ in range(_BUSY)]
    for thread in threads:
        thread.start()
    try:
        begun = answered.value
        while answered.value < begun + _BUSY:  # all are at it
            time.sleep(0.05)
        yield
    finally:
        over.set()
        for thread in threads:
            thread.join()


def leave_rest(server: Stack, data: bytes, stay_s: float, _: Count) -> None:
    """Send it all, wait a little, hang up unread."""
    connection = posted(server, data)
    time.sleep(stay_s)
    connection.close()


def leave_grpc(server: Stack, data: bytes, stay_s: float, answered: Count) -> None:
    """The same; an answer that came before is one."""
    with grpc.insecure_channel(server.address(), options=[("grpc.use_local_subchannel_pool", 1)]) as channel:
        grpc.channel_ready_future(channel).result(timeout=60)
        call = mien_pb2_grpc.GatewayStub(channel).Classify.future(pb.GatewayClassifyRequest(image=data))
        time.sleep(stay_s)
        if not call.cancel() and call.done() and call.code() == grpc.StatusCode.OK:
            answered.add()


def measure(server: Stack, calls: int) -> tuple[int, int, float]:
    """Calls that left, photos inferred for nobody, and what is still held afterwards."""
    data, answered, chance = photo(0), Count(), random.Random(0)
    each, before = rows_of(server, data), rows(server)
    stays = [chance.uniform(*_STAY_S) for _ in range(calls)]
    with saturated(server, data, answered), ThreadPoolExecutor(_LEAVING) as pool:
        ways = [(leave_rest, leave_grpc)[number % 2] for number in range(calls)]
        list(pool.map(lambda way, stay_s: way(server, data, stay_s, answered), ways, stays))
    deadline = time.monotonic() + _IDLE_S
    while busy(server) and time.monotonic() < deadline:
        time.sleep(0.2)
    wasted_rows = rows(server) - before - answered.value * each
    return calls, math.ceil(wasted_rows / each), busy(server)


def main() -> None:
    parser = argparse.ArgumentParser(description="Callers who hang up while their photo waits.")
    parser.add_argument("--calls", type=int, default=500, help="(500)")
    parser.add_argument("--into", type=Path, help="put the result between this page's markers")
    options = parser.parse_args()
    with running("all", ready_within_s=240) as server:
        departed, wasted, held = measure(server, options.calls)
    share = 1 - wasted / departed
    told = [
        (f"callers who left, beside {_BUSY} who kept the gateway busy", f"{departed:,}, half by REST, half by gRPC"),
        ("photos inferred for nobody", f"{wasted:,}"),
        ("cancelled before inference", f"**{100 * share:.1f} %**"),
        ("calls, streams and rows that stayed", f"{held:.0f}"),
    ]
    page.publish(f"{page.machine()}:\n\n{page.table(told)}", "departures", options.into)
    sys.exit(share < _LEAST_SHARE or held > 0)


if __name__ == "__main__":
    main()

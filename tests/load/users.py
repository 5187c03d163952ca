"""The three users at once, for a long run: an application, a batch client, an operator; now and then a rendering."""

from __future__ import annotations

import hashlib
import random
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import httpx

from mien import Client
from mien.v1 import mien_pb2 as pb
from tests.load.arrivals import PICTURES
from tests.stack import Stack

_STREAM_ITEMS = 20
_OPERATOR_S, _GENERATION_S = 5.0, 15.0
_KEPT = 2_000_000  # waits, of a run of many hours


@dataclass(slots=True)
class Users:
    """What they met. `waits` are (when it ended, seconds) of the application's calls."""

    waits: deque[tuple[float, float]] = field(default_factory=lambda: deque(maxlen=_KEPT))
    asked: Counter[str] = field(default_factory=Counter)
    failed: int = 0
    differ: int = 0
    firsts: dict[str, bytes] = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def answered(self, user: str, question: str, answer: bytes) -> None:
        """Compare it with the first answer to the same question."""
        digest = hashlib.sha256(answer).digest()
        with self.lock:
            self.asked[user] += 1
            self.differ += self.firsts.setdefault(f"{user} {question}", digest) != digest

    def lost(self, user: str) -> None:
        with self.lock:
            self.asked[user] += 1
            self.failed += 1

    def told(self) -> str:
        return ", ".join(f"{count:,} {user}" for user, count in sorted(self.asked.items()))


def _application(server: Stack, per_s: float, users: Users, over: threading.Event) -> None:
    """A call each so many seconds, at random moments; those that take longer put the next one off."""
    chance = random.Random(1)
    with httpx.Client(timeout=60) as client:
        for number in _numbers(over):
            over.wait(chance.expovariate(per_s))
            path, begun = PICTURES[number % len(PICTURES)], time.monotonic()
            reply = client.post(server.url() + "/v1/classify", files={"image": path.read_bytes()})
            if reply.status_code != 200:
                users.lost("classified by REST")
                continue
            users.waits.append((time.monotonic(), time.monotonic() - begun))
            users.answered("classified by REST", path.name, reply.content)


def _batch(server: Stack, per_s: float, users: Users, over: threading.Event) -> None:
    """A stream after the other, its photos no faster than that."""

    def photos() -> Iterator[tuple[str, bytes]]:
        for number in range(_STREAM_ITEMS):
            over.wait(1 / per_s)
            path = PICTURES[number % len(PICTURES)]
            yield path.name, path.read_bytes()

    with Client(server.address()) as client:
        for _ in _numbers(over):
            for outcome in client.classify_stream(photos()):
                if outcome.result is None:
                    users.lost("classified in streams")
                    continue
                answer = pb.GatewayClassifyResponse()
                answer.CopyFrom(outcome.result)
                answer.ClearField("timings")
                users.answered("classified in streams", outcome.id, answer.SerializeToString(deterministic=True))


def _generation(server: Stack, per_s: float, users: Users, over: threading.Event) -> None:
    url = server.url() + "/v1/generate?expression=happiness&format=png"
    with httpx.Client(timeout=60) as client:
        for number in _numbers(over):
            path = PICTURES[number % len(PICTURES)]
            reply = client.post(url, files={"image": path.read_bytes()})
            if reply.status_code == 200:
                users.answered("renderings", path.name, reply.content)
            else:
                users.lost("renderings")
            over.wait(_GENERATION_S)


def _operator(server: Stack, per_s: float, users: Users, over: threading.Event) -> None:
    with httpx.Client(timeout=60) as client:
        for _ in _numbers(over):
            for path in ("/metrics", "/status.json", "/readyz"):
                if client.get(server.url() + path).status_code == 200:
                    users.answered("looks of the operator", path, b"")
                else:
                    users.lost("looks of the operator")
            over.wait(_OPERATOR_S)


def _numbers(over: threading.Event) -> Iterator[int]:
    number = 0
    while not over.is_set():
        yield number
        number += 1


@contextmanager
def working(server: Stack, per_s: float) -> Iterator[Users]:
    """All of them until the block ends; photos `per_s` in all, half by REST and half in streams."""
    users, over = Users(), threading.Event()

    def until_over(user: Callable[[Stack, float, Users, threading.Event], None]) -> None:
        while not over.is_set():
            try:
                user(server, per_s / 2, users, over)
            except Exception:  # a lost connection, say: it is counted, and the user asks on
                users.lost(user.__name__.strip("_"))
                over.wait(1.0)

    everybody = (_application, _batch, _generation, _operator)
    threads = [threading.Thread(target=until_over, args=(user,)) for user in everybody]
    for thread in threads:
        thread.start()
    try:
        yield users
    finally:
        over.set()
        for thread in threads:
            thread.join()

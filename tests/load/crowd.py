"""Callers who ask without a pause while something is done to the servers, and what each call met."""

from __future__ import annotations

import http.client
import select
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import grpc

from mien import requests
from mien.v1 import mien_pb2 as pb
from mien.v1 import mien_pb2_grpc
from services.chassis.channels import policy

PICTURE = (Path(__file__).resolve().parents[1] / "pictures" / "statue_4.jpg").read_bytes()
ABSENT, LOST = "absent", "lost"
REFUSED = (ABSENT, "429", "RESOURCE_EXHAUSTED")  # nobody took these on
_PAUSE_S, _REFUSED_S = 0.2, 1.0


@dataclass(frozen=True, slots=True)
class Outcome:
    """One call, on the clock of `time.monotonic`; `code` is the HTTP status, gRPC's code, ABSENT (there was nobody to
    take it) or LOST (it was taken, and the connection ended)."""

    begun: float
    ended: float
    code: str

    @property
    def good(self) -> bool:
        return self.code in ("200", "OK")


@dataclass(slots=True)
class Crowd:
    outcomes: list[Outcome] = field(default_factory=list)
    asking: dict[int, float] = field(default_factory=dict)

    def codes(self) -> Counter[str]:
        return Counter(outcome.code for outcome in list(self.outcomes))

    def failed(self) -> list[Outcome]:
        """Those that somebody had taken on."""
        return [outcome for outcome in list(self.outcomes) if not outcome.good and outcome.code not in REFUSED]


Asker = Callable[[], str]


def rest(place: Callable[[], str], *, within_s: float = 30.0) -> Asker:
    """Asks over REST on a kept connection; `place` says each time which URL."""
    kept: dict[str, http.client.HTTPConnection] = {}

    def ask() -> str:
        url = place()
        parts = urlsplit(url)
        connection = kept.pop(parts.netloc, None)
        if connection is None or _closed(connection):
            connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=within_s + 10)
            try:
                connection.connect()
            except OSError:
                return ABSENT
        try:
            path = f"{parts.path}?{parts.query}" if parts.query else parts.path
            headers = {"Content-Type": "image/jpeg", "Request-Timeout": str(within_s)}
            connection.request("POST", path, PICTURE, headers)
            response = connection.getresponse()
            response.read()
        except (OSError, http.client.HTTPException):
            connection.close()
            return LOST
        if not response.will_close:
            kept[parts.netloc] = connection
        return str(response.status)

    return ask


def _closed(connection: http.client.HTTPConnection) -> bool:
    """Whether the server has ended a connection on which nothing was asked, as it may."""
    return bool(select.select([connection.sock], [], [], 0)[0])


def rpc(target: str, *, within_s: float = 30.0) -> Asker:
    """Asks over gRPC, all processes of a target that say they serve in turn."""
    channel = grpc.insecure_channel(target, options=[*requests.CHANNEL_OPTIONS, ("grpc.service_config", policy())])
    stub = mien_pb2_grpc.GatewayStub(channel)

    def ask() -> str:
        try:
            stub.Classify(pb.GatewayClassifyRequest(image=PICTURE), timeout=within_s)
        except grpc.RpcError as failure:
            if failure.code() is grpc.StatusCode.UNAVAILABLE and not failure.initial_metadata():  # type: ignore[attr-defined]
                return ABSENT  # a gateway that takes a call says so with its id before anything else
            return str(failure.code().name)  # type: ignore[attr-defined]
        return "OK"

    return ask


@contextmanager
def asking(askers: list[Asker]) -> Iterator[Crowd]:
    """Each in a thread of its own, until the block ends; who failed pauses for a moment, who was refused for longer."""
    crowd, over = Crowd(), threading.Event()

    def ask_on(number: int, ask: Asker) -> None:
        while not over.is_set():
            crowd.asking[number] = begun = time.monotonic()
            code = ask()
            crowd.asking.pop(number)
            crowd.outcomes.append(Outcome(begun, time.monotonic(), code))
            if not crowd.outcomes[-1].good:
                over.wait(_REFUSED_S if code in REFUSED else _PAUSE_S)

    threads = [threading.Thread(target=ask_on, args=each) for each in enumerate(askers)]
    for thread in threads:
        thread.start()
    try:
        yield crowd
    finally:
        over.set()
        for thread in threads:
            thread.join()


def answered(crowd: Crowd, more: int, within_s: float = 120.0) -> None:
    """Wait for so many more good answers.

    Raises:
        RuntimeError: they did not come.
    """
    begun = time.monotonic()
    while sum(outcome.good and outcome.begun >= begun for outcome in list(crowd.outcomes)) < more:
        if time.monotonic() - begun > within_s:
            raise RuntimeError(f"no {more} answers within {within_s:g} s: {dict(crowd.codes())}")
        time.sleep(0.1)

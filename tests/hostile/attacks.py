"""The attacks on a running process, and a photo by which to see afterwards that it is as it was."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import Any

import grpc
import httpx

from tests.hostile import asking
from tests.hostile.grpc_messages import SERVICES, Call, garbage
from tests.hostile.http_requests import malformed
from tests.hostile.judging import Case, Ledger
from tests.hostile.mutations import mutated
from tests.stack import Stack

_CALLERS = 8
_PATHS = (
    "/v1/classify",
    "/v1/classify?explain=true",
    "/v1/detect",
    "/v1/classify?detect=false",
    "/v1/generate?expression=fear",
)


def send_pictures(stack: Stack, cases: Iterable[Case], ledger: Ledger) -> None:
    """To the gateway, to its calls in turn."""
    with httpx.Client() as client:

        def send(numbered: tuple[int, Case]) -> None:
            number, case = numbered
            url = stack.url() + _PATHS[number % len(_PATHS)]
            ledger.enter(case, asking.send_picture(client, url, case))

        _each(send, enumerate(cases), 4)


def send_requests(stack: Stack, cases: Iterable[Case], ledger: Ledger) -> None:
    """To the services in turn, each on a connection of its own; to the gateway as often as to the others together."""
    services = [name for other in ("detection", "classification", "generation") for name in ("gateway", other)]

    def send(numbered: tuple[int, Case]) -> None:
        number, case = numbered
        ledger.enter(case, asking.send_bytes(stack.url(services[number % len(services)]), case))

    _each(send, enumerate(cases), _CALLERS)


def send_calls(stack: Stack, calls: Iterable[Call], ledger: Ledger) -> None:
    """To the four services, each on one channel."""
    with ExitStack() as held:
        channels = {
            name: held.enter_context(
                grpc.insecure_channel(stack.address(name), options=[("grpc.max_send_message_length", -1)])
            )
            for name in SERVICES
        }

        def send(call: Call) -> None:
            if call.path:
                answer = asking.send_messages(channels[call.service], call.path, call.case, call.metadata)
            else:
                answer = asking.send_bytes(f"http://{stack.address(call.service)}", call.case)
            ledger.enter(call.case, answer)

        _each(send, calls, _CALLERS)


def _each(send: Callable[..., None], cases: Iterable[object], callers: int) -> None:
    """`send` every case, so many at once; the first exception ends it."""
    with ThreadPoolExecutor(callers) as pool:
        places, futures = threading.Semaphore(callers * 2), []
        for case in cases:  # made as they are needed: all of them together are hundreds of megabytes
            places.acquire()
            future = pool.submit(send, case)
            future.add_done_callback(lambda _: places.release())
            futures.append(future)
        for future in futures:
            future.result()


def broken_pictures(count: int, sound: dict[str, bytes]) -> Iterable[Case]:
    """The first so many."""
    return (mutated(number, sound) for number in range(count))


def broken_requests(count: int) -> Iterable[Case]:
    """The first so many."""
    return (malformed(number) for number in range(count))


def broken_calls(count: int) -> Iterable[Call]:
    """The first so many."""
    return (garbage(number) for number in range(count))


def answer_of(stack: Stack, photo: bytes, query: str = "") -> Any:
    """What the gateway reads in a photo, less the time it took."""
    url = f"{stack.url()}/v1/classify{query}"
    reply = httpx.post(url, content=photo, headers={"Content-Type": "image/jpeg"}, timeout=60)
    return reply.raise_for_status().json()

"""Callers who connect and then take their time: nobody keeps a connection, or a place, that others need."""

from __future__ import annotations

import contextlib
import json
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import httpx
import psutil
import pytest

from tests.stack import Stack, running

_LATE_S = 20.0
_MOST = 8


@pytest.fixture(scope="module")
def strict(toy_repository: Path) -> Iterator[Stack]:
    """A process that waits a second, and has few places."""
    limits = {"head_timeout_s": 1, "unread_timeout_s": 1, "max_connections": _MOST, "max_in_flight": 4}
    with running("all", model_repository=toy_repository, **limits) as stack:
        yield stack


def connected(stack: Stack, service: str = "REST") -> socket.socket:
    return socket.create_connection(("127.0.0.1", stack.ports[f"GATEWAY_{service}_PORT"]), timeout=_LATE_S)


def closed_after_s(caller: socket.socket) -> float:
    begun = time.monotonic()
    try:
        while caller.recv(65536):
            pass
    except ConnectionError:
        pass
    return time.monotonic() - begun


def posting(photo: bytes, *lines: str) -> bytes:
    head = ("POST /v1/classify HTTP/1.1", "Host: mien", "Content-Type: image/jpeg", f"Content-Length: {len(photo)}")
    return "\r\n".join((*head, *lines)).encode() + b"\r\n\r\n"


@pytest.mark.parametrize("start", [b"", b"POST /v1/classify HTTP/1.1\r\nHost: mi"])
def test_a_connection_that_asks_nothing_is_closed(strict: Stack, start: bytes) -> None:
    with connected(strict) as caller:
        caller.sendall(start)
        assert 0.5 < closed_after_s(caller) < _LATE_S


def test_a_byte_now_and_then_does_not_keep_a_connection_open(strict: Stack) -> None:
    with connected(strict) as caller, pytest.raises(ConnectionError):
        for byte in b"GET /livez HTTP/1.1\r\nX: " + b"x" * 200:
            caller.sendall(bytes([byte]))
            time.sleep(0.1)


def test_a_connection_that_keeps_asking_stays_open(strict: Stack) -> None:
    with httpx.Client() as client:
        ports = set()
        for _ in range(8):
            reply = client.get(strict.url() + "/livez")
            ports.add(reply.extensions["network_stream"].get_extra_info("client_addr"))
            time.sleep(0.3)
    assert len(ports) == 1


def test_a_body_that_does_not_come_is_a_timeout_and_not_ours(strict: Stack, photo: bytes) -> None:
    with connected(strict) as caller:
        caller.sendall(posting(photo, "Request-Timeout: 1", "Connection: close") + photo[:100])
        answer = b"".join(iter(lambda: caller.recv(65536), b""))
    assert answer.startswith(b"HTTP/1.1 408 ")
    assert json.loads(answer.partition(b"\r\n\r\n")[2])["code"] == "slow_request"


def test_bodies_that_do_not_come_leave_places_for_others(strict: Stack, photo: bytes) -> None:
    with ExitStack() as held:
        for _ in range(4):  # of four places two may be waiting for a body
            held.enter_context(connected(strict)).sendall(posting(photo) + photo[:100])
        time.sleep(0.2)
        assert httpx.post(strict.url() + "/v1/classify", files={"image": photo}, timeout=30).status_code == 200


def test_an_answer_that_nobody_takes_is_dropped(strict: Stack) -> None:
    with socket.socket() as caller:
        caller.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        caller.connect(("127.0.0.1", strict.ports["GATEWAY_REST_PORT"]))
        caller.settimeout(1.0)
        mine = caller.getsockname()[1]
        until(lambda: mine in peers(strict))  # connected is not yet accepted
        with contextlib.suppress(OSError):  # the server reads no more
            caller.sendall(b"GET /openapi.json HTTP/1.1\r\nHost: mien\r\n\r\n" * 3_000)
        until(lambda: mine not in peers(strict))


def until(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + _LATE_S
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def peers(stack: Stack) -> set[int]:
    """Callers' ports that the process holds a connection to."""
    found = psutil.Process(stack.process.pid).net_connections("tcp")
    return {each.raddr.port for each in found if each.status == psutil.CONN_ESTABLISHED and each.raddr}


def test_one_connection_too_many_takes_the_place_of_an_idle_one(strict: Stack) -> None:
    with ExitStack() as held:
        idle = [held.enter_context(connected(strict)) for _ in range(_MOST)]
        assert httpx.get(strict.url() + "/livez").status_code == 200
        assert closed_after_s(idle[0]) < _LATE_S


def test_a_connection_is_refused_where_all_others_are_in_a_call(toy_repository: Path, photo: bytes) -> None:
    with running("all", model_repository=toy_repository, max_connections=2) as stack, ExitStack() as held:
        time.sleep(0.5)  # the connection that asked whether it is ready has gone
        for _ in range(2):
            held.enter_context(connected(stack)).sendall(posting(photo) + photo[:100])
        time.sleep(0.5)
        with connected(stack) as caller:
            answer = b"".join(iter(lambda: caller.recv(65536), b""))
    assert answer.startswith(b"HTTP/1.1 429 ")
    assert b"retry-after: 1" in answer
    assert json.loads(answer.partition(b"\r\n\r\n")[2])["code"] == "queue_full"


@pytest.mark.parametrize("start", [b"", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"])
def test_half_a_handshake_of_grpc_is_closed(strict: Stack, start: bytes) -> None:
    with connected(strict, "RPC") as caller:
        caller.sendall(start)
        assert closed_after_s(caller) < _LATE_S

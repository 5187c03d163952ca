"""Callers who hang up: their work is dropped, their places are given back, and the process never minds."""

from __future__ import annotations

import socket
import time

import httpx

from tests.stack import Stack


def test_callers_who_hang_up_leave_nothing_behind(toy_stack: Stack, photo: bytes) -> None:
    host, port = toy_stack.url().removeprefix("http://").split(":")
    head = f"POST /v1/classify HTTP/1.1\r\nHost: {host}\r\nContent-Type: image/jpeg\r\n"
    head += f"Content-Length: {len(photo)}\r\n\r\n"
    for _ in range(60):
        with socket.create_connection((host, int(port))) as caller:
            caller.sendall(head.encode() + photo)
    deadline = time.monotonic() + 20
    while _in_flight(toy_stack) > 0 and time.monotonic() < deadline:
        time.sleep(0.05)
    assert _in_flight(toy_stack) == 0
    assert httpx.post(toy_stack.url() + "/v1/classify", files={"image": photo}, timeout=30).status_code == 200
    log = toy_stack.log.read_text()
    assert '"status": 499' in log
    assert "Traceback" not in log


def _in_flight(stack: Stack) -> float:
    """Calls being answered, less the one that asks."""
    for line in httpx.get(stack.url() + "/metrics").text.splitlines():
        if line.startswith('mien_requests_in_flight{service="gateway",transport="rest"}'):
            return float(line.split()[-1]) - 1
    raise AssertionError("no gauge")

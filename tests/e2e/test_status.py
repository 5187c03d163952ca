"""The status page, asked of the real process and shown by a real browser."""

from __future__ import annotations

import re
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.stack import Stack, free_ports, running

BEHIND = ("detection", "classification", "generation")
QUIET = "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking"
QUIET += " --disable-component-update --disable-sync --enable-logging=stderr --virtual-time-budget=5000 --dump-dom"


@pytest.fixture(scope="module")
def stack(toy_repository: Path) -> Iterator[Stack]:
    """A process of its own: what others asked would leave the last five minutes while these tests count."""
    with running("all", model_repository=toy_repository) as process:
        yield process


def document(stack: Stack) -> dict[str, Any]:
    found: dict[str, Any] = httpx.get(stack.url() + "/status.json", timeout=30).raise_for_status().json()
    return found


def test_its_figures_follow_the_calls(stack: Stack, photo: bytes) -> None:
    before = sum(document(stack)["expressions"].values())
    for _ in range(3):
        assert httpx.post(stack.url() + "/v1/classify", files={"image": photo}, timeout=30).status_code == 200
    deadline = time.monotonic() + 60
    while sum((now := document(stack))["expressions"].values()) != before + 3:
        assert time.monotonic() < deadline, now
        time.sleep(0.2)
    assert max(now["per_s"]["calls"]) > 0
    assert {"call", "detect", "classify"} <= set(now["quantiles_s"])
    assert now["places"]["single"] == {"taken": 0, "limit": 128}
    assert now["models"] == [{"name": "expression_classifier", "version": 1, "note": "answers by default"}]


def test_the_page_needs_nothing_from_outside_and_allows_nothing_else(stack: Stack) -> None:
    response = httpx.get(stack.url() + "/status", timeout=30)
    policy = response.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert not re.search(r"(?:src|href)=\"(?!data:)", response.text)
    assert " style=" not in response.text
    assert not re.search(r"\son\w+=", response.text)


def test_a_gateway_alone_shows_itself_while_what_is_behind_it_does_not_answer() -> None:
    nobody = {f"{name}_address": f"127.0.0.1:{port}" for name, port in zip(BEHIND, free_ports(3), strict=True)}
    with running("gateway", ready=False, **nobody) as stack:
        deadline = time.monotonic() + 60
        while True:
            try:
                now = document(stack)
                break
            except httpx.TransportError:
                assert time.monotonic() < deadline
                time.sleep(0.1)
    assert now["checks"]["detection"] is False
    assert now["models"] == []


def test_a_browser_draws_it_without_a_complaint(stack: Stack, tmp_path: Path) -> None:
    browser = shutil.which("chromium") or shutil.which("google-chrome")
    if browser is None:
        pytest.skip("needs a browser: apt-get install chromium")
    command = [browser, *QUIET.split(), f"--user-data-dir={tmp_path}", stack.url() + "/status"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=180)
    assert done.returncode == 0, done.stderr[-2000:]
    assert [line for line in done.stderr.splitlines() if "CONSOLE" in line] == []
    assert ">ready</span>" in done.stdout
    assert done.stdout.count("<path ") >= 5
    assert "version 1" in done.stdout

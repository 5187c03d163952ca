"""A service of two processes behind one name: one goes, and no caller notices."""

from __future__ import annotations

import signal
import threading
import time
from pathlib import Path

import httpx

from tests.stack import running


def test_a_process_of_two_is_replaced_under_load_without_a_lost_call(toy_repository: Path, photo: bytes) -> None:
    with (
        running("detection", model_repository=toy_repository, drain_s=1.0) as old,
        running("detection", model_repository=toy_repository) as new,
        running("classification", model_repository=toy_repository) as classification,
        running(
            "gateway",
            detection_address=f"ipv4:{old.address('detection')},{new.address('detection')}",
            classification_address=classification.address("classification"),
        ) as gateway,
    ):
        codes: list[int] = []
        enough = threading.Event()

        def keep_asking() -> None:
            with httpx.Client(timeout=60) as client:
                while not enough.is_set():
                    codes.append(client.post(gateway.url() + "/v1/classify", files={"image": photo}).status_code)

        callers = [threading.Thread(target=keep_asking) for _ in range(4)]
        for caller in callers:
            caller.start()
        _until_asked(old.url("detection"), 5)
        _until_asked(new.url("detection"), 5)
        assert old.stop(signal.SIGTERM, timeout_s=60) == 0
        after = len(codes)
        deadline = time.monotonic() + 60
        while len(codes) < after + 20 and time.monotonic() < deadline:
            time.sleep(0.05)
        enough.set()
        for caller in callers:
            caller.join()
        assert len(codes) >= after + 20
        assert set(codes) == {200}


def _until_asked(url: str, times: int) -> None:
    """Until the process there has answered so many calls: both are in use."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        lines = httpx.get(url + "/metrics").text.splitlines()
        counts = [
            float(line.split()[-1]) for line in lines if line.startswith("mien_requests_total") and '"Detect"' in line
        ]
        if sum(counts) >= times:
            return
        time.sleep(0.1)
    raise AssertionError(f"{url} was asked fewer than {times} times")

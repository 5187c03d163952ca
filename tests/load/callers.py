"""Callers in a process of their own: N requests to a URL by C callers, closed loop; prints seconds as JSON.

    python -m tests.load.callers http://127.0.0.1:8080/v1/classify photo.jpg --callers 8 --requests 200

Lean on purpose (http.client, a connection for each caller): their work takes from the server's on a small machine.
"""

from __future__ import annotations

import argparse
import http.client
import json
import subprocess
import sys
import threading
import time
from pathlib import Path
from urllib.parse import urlsplit


def load(url: str, photo: bytes, callers: int, requests: int) -> tuple[float, list[float]]:
    """(seconds in all, seconds of each request). Any answer but 200 ends the run.

    Raises:
        RuntimeError: with the status that came.
    """
    parts = urlsplit(url)
    target = f"{parts.path}?{parts.query}" if parts.query else parts.path
    latencies: list[float] = []
    failures: list[int] = []
    left = iter(range(requests))  # next() on it is atomic under the interpreter's lock

    def call() -> None:
        connection = http.client.HTTPConnection(parts.hostname or "127.0.0.1", parts.port, timeout=60)
        for _ in left:
            started = time.perf_counter()
            connection.request("POST", target, photo, {"Content-Type": "image/jpeg"})
            response = connection.getresponse()
            response.read()
            latencies.append(time.perf_counter() - started)
            if response.status != 200:
                failures.append(response.status)
                return

    threads = [threading.Thread(target=call) for _ in range(callers)]
    started = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    seconds = time.perf_counter() - started
    if failures:
        raise RuntimeError(f"the server answered {failures[0]}")
    return seconds, latencies


def ask(url: str, photo: Path, callers: int, requests: int) -> tuple[float, list[float]]:
    """`load` in a process of its own: its work is not this one's."""
    command = [sys.executable, "-m", "tests.load.callers", url, str(photo)]
    command += ["--callers", str(callers), "--requests", str(requests)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=Path(__file__).resolve().parents[2])
    measured = json.loads(done.stdout)
    return measured["seconds"], measured["latencies"]


def main() -> None:
    parser = argparse.ArgumentParser(description="Call a URL with a photo, closed loop.")
    parser.add_argument("url")
    parser.add_argument("photo", type=Path)
    parser.add_argument("--callers", type=int, default=8)
    parser.add_argument("--requests", type=int, default=200)
    options = parser.parse_args()
    seconds, latencies = load(options.url, options.photo.read_bytes(), options.callers, options.requests)
    json.dump({"seconds": seconds, "latencies": latencies}, sys.stdout)


if __name__ == "__main__":
    main()

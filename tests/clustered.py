"""The whole deployment by its own supervisor on free ports: four services as processes, Triton and Prometheus.

`make e2e` runs the end-to-end tests against it.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import httpx
import psutil

from tests.stack import PORTS, Stack, free_ports

ROOT = Path(__file__).resolve().parents[1]
TARGETS = 6  # of Prometheus: four services, Triton, itself


@contextmanager
def supervised(
    log: Path, *options: str, **settings: object
) -> Iterator[tuple[subprocess.Popen[bytes], Mapping[str, int]]]:
    """`python -m deploy.local` and its ports; whatever is left of it is killed at the end."""
    ports = dict(zip(PORTS, free_ports(len(PORTS)), strict=True))
    told = {f"MIEN_{key}": str(value) for key, value in (ports | {"DRAIN_S": 0.5} | settings).items()}
    clean = {key: value for key, value in os.environ.items() if not key.startswith("MIEN_")}
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "deploy.local", *options], cwd=ROOT, env=clean | told, stdout=output, stderr=output
        )
    try:
        yield process, ports
    finally:
        if process.poll() is None:
            for child in psutil.Process(process.pid).children(recursive=True):
                child.kill()
            process.kill()
            process.wait()


def until(process: subprocess.Popen[bytes], log: Path, words: str, within_s: float = 120.0) -> None:
    """Wait until the supervisor's log has these words."""
    deadline = time.monotonic() + within_s
    while words not in log.read_text():
        assert time.monotonic() < deadline, log.read_text()
        assert process.poll() is None, log.read_text()
        time.sleep(0.1)


@contextmanager
def everything(repository: Path) -> Iterator[Stack]:
    """Triton serves the repository, Prometheus has scraped every target by the end. The log is the gateway's."""
    with tempfile.TemporaryDirectory() as folder:
        log, gateways = Path(folder) / "log", Path(folder) / "gateway"
        triton, prometheus = free_port_of_three(), free_ports(1)[0]
        settings = {
            "MODEL_REPOSITORY": repository,
            "TRITON_ADDRESS": f"127.0.0.1:{triton}",
            "PROMETHEUS_PORT": prometheus,
            "LOG_FORMAT": "json",
        }
        with supervised(log, "--triton", "--prometheus", **settings) as (process, ports):
            until(process, log, "ready: http://", within_s=300.0)
            stopping = threading.Event()
            reader = threading.Thread(target=_keep_reading, args=(log, gateways, stopping))
            reader.start()
            try:
                yield Stack(process, ports, gateways)
                _all_scraped(f"http://127.0.0.1:{prometheus}/api/v1/query")
            finally:
                stopping.set()
                reader.join()


def free_port_of_three() -> int:
    """The middle of three ports in a row that were free a moment ago: Triton's HTTP, gRPC and metrics."""
    while True:
        (port,) = free_ports(1)
        taken = {connection.laddr.port for connection in psutil.net_connections("inet") if connection.laddr}
        if not taken & {port - 1, port, port + 1}:
            return port


def _keep_reading(log: Path, gateways: Path, stopping: threading.Event) -> None:
    """Copy the gateway's lines as it wrote them."""
    with log.open() as lines, gateways.open("w") as copy:
        while not stopping.is_set():
            line = lines.readline()
            if not line:
                time.sleep(0.02)
                continue
            name, _, text = line.partition(" │ ")
            if name.strip() == "gateway":
                copy.write(text)
                copy.flush()


def _all_scraped(url: str) -> None:
    deadline = time.monotonic() + 60.0
    while True:
        found = httpx.get(url, params={"query": "up"}, timeout=10).json()["data"]["result"]
        up = [target["metric"].get("service", target["metric"]["job"]) for target in found if target["value"][1] == "1"]
        if len(up) == TARGETS:
            return
        assert time.monotonic() < deadline, f"Prometheus reaches only {sorted(up)}"
        time.sleep(1.0)

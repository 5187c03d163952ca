"""Starting the real Triton as a process of its own, on free ports, for tests and benchmarks.

Its environment is `.venv-triton` beside this folder (make test sets it up), or that of MIEN_TRITON_PYTHON.
"""

from __future__ import annotations

import os
import platform
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from tests.stack import free_ports

ROOT = Path(__file__).resolve().parents[1]


@dataclass(slots=True)
class Triton:
    """A Triton that can be killed and started again on the same ports."""

    repository: Path
    control: str
    http: int
    grpc: int
    metrics: int
    log: Path
    otlp: str = ""
    process: subprocess.Popen[bytes] | None = None

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.grpc}"

    def start(self, within_s: float = 120.0) -> None:
        """Start it, and wait until it is ready."""
        command: list[Any] = [python(), ROOT / "deploy" / "triton" / "serve.py", "--repository", self.repository]
        command += ["--http-port", self.http, "--grpc-port", self.grpc, "--metrics-port", self.metrics]
        command += ["--model-control-mode", self.control, "--exit-timeout-s", 5]
        command += ["--otlp", self.otlp] if self.otlp else []
        with self.log.open("ab") as output:
            self.process = subprocess.Popen(
                list(map(str, command)), stdout=output, stderr=output, start_new_session=True
            )
        deadline = time.monotonic() + within_s
        while time.monotonic() < deadline and self.process.poll() is None:
            with suppress(httpx.TransportError):
                if self._http().get("/v2/health/ready").status_code == 200:
                    return
            time.sleep(0.1)
        raise AssertionError(f"Triton was not ready within {within_s} s:\n{self.log.read_text()[-4000:]}")

    def kill(self) -> None:
        """kill -9, the stubs of its Python backend too."""
        if self.process:
            with suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()

    def stubs(self, model: str) -> list[psutil.Process]:
        """The processes in which the instances of a model run."""
        assert self.process
        children = psutil.Process(self.process.pid).children(recursive=True)
        return [child for child in children if any(f"/{model}/" in word for word in child.cmdline())]

    def serve(self, entry: Path) -> None:
        """Put a copy of this entry of another repository in the place of the one of its name, and load it; nothing is
        done where the same is served already.

        Raises:
            httpx.HTTPStatusError: Triton refused it.
        """
        if _files(entry) == _files(self.repository / entry.name) and self.serves(entry.name):
            return
        self.unload(entry.name)
        shutil.rmtree(self.repository / entry.name, ignore_errors=True)
        shutil.copytree(entry, self.repository / entry.name)
        self.load(entry.name)

    def load(self, name: str) -> None:
        """Load an entry as it is on disk, or what is new of it."""
        self._http().post(f"/v2/repository/models/{name}/load").raise_for_status()

    def unload(self, name: str) -> None:
        """Unload it and wait until it is gone; one that is not there is not."""
        self._http().post(f"/v2/repository/models/{name}/unload").raise_for_status()
        while self.serves(name):
            time.sleep(0.05)

    def serves(self, name: str) -> bool:
        """Whether a model of this name is loaded."""
        return self._http().get(f"/v2/models/{name}/ready").status_code == 200

    def counted(self, metric: str, model: str) -> float:
        """The sum of one of its counters over a model's versions."""
        lines = httpx.get(f"http://127.0.0.1:{self.metrics}/metrics", timeout=10).text.splitlines()
        return sum(float(line.rsplit(" ", 1)[1]) for line in lines if line.startswith(f'{metric}{{model="{model}"'))

    def _http(self) -> httpx.Client:
        return httpx.Client(base_url=f"http://127.0.0.1:{self.http}", timeout=60)


def _files(folder: Path) -> dict[Path, bytes]:
    return {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def python() -> str:
    """The interpreter of Triton's environment; skips the test where there can be none."""
    chosen = os.environ.get("MIEN_TRITON_PYTHON", str(ROOT / ".venv-triton" / "bin" / "python"))
    if not Path(chosen).exists():
        if (sys.platform, platform.machine()) != ("linux", "x86_64") or sys.version_info >= (3, 13):
            pytest.skip("Triton without a container needs Linux on x86-64 and Python 3.11 or 3.12")
        raise AssertionError(f"there is no {chosen}: run make .venv-triton/ready, or set MIEN_TRITON_PYTHON")
    return chosen


@contextmanager
def running(repository: Path, control: str = "none", otlp: str = "") -> Iterator[Triton]:
    """Run Triton on this repository until the block ends; it sends traces to `otlp`, where that is named."""
    with tempfile.TemporaryDirectory() as folder:
        server = Triton(repository, control, *free_ports(3), Path(folder) / "log", otlp)
        try:
            server.start()
            yield server
        finally:
            server.kill()

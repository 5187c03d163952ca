"""Starting the real `mien serve` as a process of its own, on free ports, for tests and benchmarks."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

PORTS = (
    "GATEWAY_REST_PORT",
    "GATEWAY_RPC_PORT",
    "DETECTION_REST_PORT",
    "DETECTION_RPC_PORT",
    "CLASSIFICATION_REST_PORT",
    "CLASSIFICATION_RPC_PORT",
    "GENERATION_REST_PORT",
    "GENERATION_RPC_PORT",
)
_BEHIND = ("detection", "classification", "generation")
_USUAL = {"DRAIN_S": 0.1, "QUEUE_TARGET_S": 60}  # a slow machine shall refuse nobody who would be answered in time


@dataclass(frozen=True, slots=True)
class Stack:
    """A running process. `ports` by the setting's name, without MIEN_. One from `elsewhere` has no process here."""

    process: subprocess.Popen[bytes]
    ports: Mapping[str, int]
    log: Path
    scheme: str = "http"

    def url(self, service: str = "gateway") -> str:
        return f"{self.scheme}://127.0.0.1:{self.ports[f'{service.upper()}_REST_PORT']}"

    def address(self, service: str = "gateway") -> str:
        return f"127.0.0.1:{self.ports[f'{service.upper()}_RPC_PORT']}"

    def stop(self, number: int = signal.SIGTERM, timeout_s: float = 20.0) -> int:
        """Send a signal and wait; the exit status."""
        self.process.send_signal(number)
        return self.process.wait(timeout_s)


def free_ports(count: int) -> list[int]:
    """Ports that were free a moment ago."""
    sockets = [socket.socket() for _ in range(count)]
    for one in sockets:
        one.bind(("127.0.0.1", 0))
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports


def elsewhere(port: int) -> Stack:
    """A stack that somebody else started, on PORT to PORT+7 as `deploy/build_without_docker.sh up PORT` lays them."""
    services = ("GATEWAY", "DETECTION", "CLASSIFICATION", "GENERATION")
    rest = {f"{service}_REST_PORT": port + number for number, service in enumerate(services)}
    rpc = {f"{service}_RPC_PORT": port + 4 + number for number, service in enumerate(services)}
    nothing = subprocess.Popen([sys.executable, "-c", ""])
    return Stack(nothing, rest | rpc, Path(os.devnull))


@contextmanager
def running(
    role: str = "all",
    *,
    ready: bool = True,
    ready_within_s: float = 60.0,
    module: str = "mien.cli",
    **settings: object,
) -> Iterator[Stack]:
    """Run `mien serve ROLE` with these settings (without MIEN_, any case) until the block ends; `module` is run."""
    ports = dict(zip(PORTS, free_ports(len(PORTS)), strict=True))
    chosen = {key.upper(): value for key, value in settings.items()}
    ports |= {key: int(str(chosen[key])) for key in ports if key in chosen}
    clean = {key: value for key, value in os.environ.items() if not key.startswith("MIEN_")}
    environment = clean | {f"MIEN_{key}": str(value) for key, value in (ports | _USUAL | chosen).items()}
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "log"
        with log.open("wb") as output:
            process = subprocess.Popen(
                [sys.executable, "-m", module, "serve", role], env=environment, stdout=output, stderr=output
            )
        stack = Stack(process, ports, log, "https" if "TLS_CERTIFICATE" in chosen else "http")
        try:
            if ready:
                _wait(stack, "gateway" if role == "all" else role, ready_within_s)
            yield stack
        finally:
            process.kill()
            process.wait()


@contextmanager
def apart(**settings: object) -> Iterator[Mapping[str, Stack]]:
    """The four services as processes of their own with these settings, by name; the gateway asks the other three."""
    with ExitStack() as held:
        stacks = {name: held.enter_context(running(name, ready=False, **settings)) for name in _BEHIND}
        for name, stack in stacks.items():
            _wait(stack, name, 180.0)
        addresses = {f"{name}_address": stack.address(name) for name, stack in stacks.items()}
        yield {
            "gateway": held.enter_context(running("gateway", ready_within_s=180.0, **settings, **addresses)),
            **stacks,
        }


def _wait(stack: Stack, service: str, within_s: float) -> None:
    deadline = time.monotonic() + within_s
    while time.monotonic() < deadline and stack.process.poll() is None:
        try:
            if httpx.get(f"{stack.url(service)}/readyz", timeout=2.0, verify=False).status_code == 200:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.05)
    raise AssertionError(f"mien serve was not ready within {within_s} s:\n{stack.log.read_text()[-4000:]}")

"""Processes of a service that can be stopped or killed, and started again on their ports."""

from __future__ import annotations

import http.client
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from tests.stack import PORTS, Stack, free_ports, running

_READY_S = 240.0


@dataclass(slots=True)
class Replica:
    """One process of `role`."""

    role: str
    settings: dict[str, object]
    stack: Stack | None = None
    held: ExitStack = field(default_factory=ExitStack)

    def start(self, *, ready: bool = True) -> None:
        """Start it; on the ports that it had, if it had any."""
        self.stack = self.held.enter_context(running(self.role, ready=ready, ready_within_s=_READY_S, **self.settings))

    @property
    def here(self) -> Stack:
        assert self.stack is not None
        return self.stack

    def url(self) -> str:
        return self.here.url(self.role)

    def address(self) -> str:
        return self.here.address(self.role)

    def log(self) -> str:
        return self.here.log.read_text()

    def ready(self) -> int:
        """The status of /readyz; 0 where nobody answers, 1 where the answer is late."""
        parts = urlsplit(self.url())
        connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=5.0)
        try:
            connection.request("GET", "/readyz")
            return connection.getresponse().status
        except TimeoutError:
            return 1
        except (OSError, http.client.HTTPException):
            return 0
        finally:
            connection.close()

    def again(self, *, ready: bool = True) -> None:
        """Start it when it has ended."""
        self.held.close()
        self.start(ready=ready)

    def kill(self) -> None:
        self.here.process.send_signal(signal.SIGKILL)
        self.here.process.wait()

    def signal(self, number: signal.Signals) -> None:
        self.here.process.send_signal(number)

    def end(self) -> None:
        with suppress(ProcessLookupError, subprocess.SubprocessError):
            self.signal(signal.SIGCONT)
        self.held.close()


@contextmanager
def replicas(wanted: dict[str, int], **settings: object) -> Iterator[dict[str, list[Replica]]]:
    """So many of each role; those behind are started first, and the gateways ask all of them."""
    found: dict[str, list[Replica]] = {}
    with ExitStack() as held:
        behind = [role for role in wanted if role != "gateway"]
        addresses: dict[str, object] = {}
        for role in [*behind, "gateway"]:
            found[role] = []
            for _ in range(wanted[role]):
                ports = {name.lower(): port for name, port in zip(PORTS, free_ports(len(PORTS)), strict=True)}
                replica = Replica(role, {**settings, **ports, **(addresses if role == "gateway" else {})})
                held.callback(replica.end)
                found[role].append(replica)
                replica.start(ready=role == "gateway")
            addresses[f"{role}_address"] = "ipv4:" + ",".join(one.address() for one in found[role])
            if role == behind[-1]:
                until(lambda: all(one.ready() == 200 for name in behind for one in found[name]), _READY_S)
        yield found


def until(condition: Callable[[], bool], within_s: float) -> float:
    """Seconds until the callable says so.

    Raises:
        RuntimeError: it never did.
    """
    begun = time.monotonic()
    while time.monotonic() - begun < within_s:
        if condition():
            return time.monotonic() - begun
        time.sleep(0.05)
    raise RuntimeError(f"not so within {within_s:g} s")

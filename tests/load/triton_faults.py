"""What callers of the gateway meet while Triton is killed and while versions of a model change.

    python -m tests.load.triton_faults [--kills 10] [--rolls 20] [--into deploy/README.md]

A real Triton serves a copy of the committed repository, the classifier in two versions of the same file. 32 callers ask
the gateway for photos without a pause, each with `DEADLINE_S`. `kill -9` takes Triton and its stubs, which are started
again; then the admin port loads the other version, again and again.
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from tests import triton_server
from tests.conftest import encoded, statue
from tests.load import page
from tests.stack import Stack, free_ports, running
from tests.triton_server import Triton

ROOT = Path(__file__).resolve().parents[2]
CLASSIFIER = "expression_classifier"
CALLERS, DEADLINE_S = 32, 10.0


@dataclass(slots=True)
class Answers:
    """What the callers got: statuses, lost connections as 0, versions that answered, and the longest wait."""

    statuses: Counter[int] = field(default_factory=Counter)
    versions: Counter[int] = field(default_factory=Counter)
    longest_s: float = 0.0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def told(self) -> str:
        """How often each status came."""
        return ", ".join(f"{count:,} x {status or 'no answer'}" for status, count in sorted(self.statuses.items()))


@contextmanager
def calling(url: str, photo: bytes) -> Iterator[Answers]:
    """The callers, until the block ends."""
    answers, stopping = Answers(), threading.Event()

    def call() -> None:
        with httpx.Client(timeout=DEADLINE_S + 20) as client:
            while not stopping.is_set():
                begun = time.monotonic()
                try:
                    reply = client.post(url, files={"image": photo}, headers={"Request-Timeout": str(DEADLINE_S)})
                    status = reply.status_code
                except httpx.TransportError:
                    status = 0
                with answers.lock:
                    answers.statuses[status] += 1
                    answers.longest_s = max(answers.longest_s, time.monotonic() - begun)
                    if status == 200:
                        answers.versions[reply.json()["model"]["version"]] += 1
                if status != 200:
                    time.sleep(0.2)

    threads = [threading.Thread(target=call) for _ in range(CALLERS)]
    for thread in threads:
        thread.start()
    try:
        yield answers
    finally:
        stopping.set()
        for thread in threads:
            thread.join()


def until(condition: Callable[[], bool], within_s: float = 60.0) -> float:
    """Seconds until it is so; inf where it never was."""
    begun = time.monotonic()
    while time.monotonic() - begun < within_s:
        if condition():
            return time.monotonic() - begun
        time.sleep(0.05)
    return float("inf")


def kill_and_return(server: Triton, stack: Stack) -> tuple[float, float]:
    """Seconds until the gateway is not ready any more, and from Triton's return until it is again."""

    def is_ready() -> bool:
        return httpx.get(stack.url() + "/readyz", timeout=30).status_code == 200

    server.kill()
    down_s = until(lambda: not is_ready())
    server.start()
    return down_s, until(is_ready)


def measure(kills: int, rolls: int, work: Path) -> str:
    """The table."""
    folder = work / "repository"
    shutil.copytree(ROOT / "model_repository", folder)
    old = max(int(entry.name) for entry in (folder / CLASSIFIER).iterdir() if entry.name.isdigit())
    shutil.copytree(folder / CLASSIFIER / str(old), folder / CLASSIFIER / str(old + 1))
    photo, (admin,) = encoded(statue(0)), free_ports(1)
    settings = {"model_repository": folder, "backend": "triton", "admin_port": admin}
    with (
        triton_server.running(folder) as server,
        running("all", triton_address=server.address, **{**settings, "admin_port": 0}) as stack,
    ):
        with calling(stack.url() + "/v1/classify", photo) as killed:
            times = []
            for number in range(kills):
                time.sleep(1.0)
                times.append(kill_and_return(server, stack))
                page.say(f"kill {number + 1}: not ready after {times[-1][0]:.1f} s, back after {times[-1][1]:.1f} s")
        alive = stack.process.poll() is None
    with triton_server.running(folder, control="explicit") as server:
        for entry in sorted(path.name for path in folder.iterdir() if (path / "config.pbtxt").exists()):
            server.load(entry)
        with running("all", triton_address=server.address, **settings) as stack:
            url = f"http://127.0.0.1:{admin}/v1/admin/models/{CLASSIFIER}/load"
            with calling(stack.url() + "/v1/classify", photo) as rolled:
                for number in range(rolls):
                    httpx.post(url, json={"version": old + number % 2}, timeout=120).raise_for_status()
                    page.say(f"roll {number + 1} of {rolls}")
    rows = [
        (f"{kills} x `kill -9` of Triton: gateway", "never died" if alive else "**died**"),
        ("answers", killed.told()),
        ("longest answer", f"{killed.longest_s:.1f} s (deadline {DEADLINE_S:.0f} s)"),
        ("`/readyz` says no after", f"{max(down for down, _ in times):.1f} s at most"),
        ("and yes again after Triton's return", f"{max(back for _, back in times):.1f} s at most"),
        (f"{rolls} changes of the classifier's version: answers", rolled.told()),
        ("versions that answered", ", ".join(f"{count:,} x {name}" for name, count in sorted(rolled.versions.items()))),
    ]
    return f"{page.machine()}, {CALLERS} callers of the gateway:\n\n{page.table(rows)}"


def main() -> None:
    parser = argparse.ArgumentParser(description="Kills of Triton, and changes of version, under 32 callers.")
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument("--rolls", type=int, default=20)
    parser.add_argument("--into", type=Path, help="put the result between this page's markers")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as work:
        page.publish(measure(options.kills, options.rolls, Path(work)), "triton_faults", options.into)


if __name__ == "__main__":
    main()

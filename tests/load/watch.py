"""A server's metrics, and how the memory of processes grows while it works."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

import httpx
import numpy as np
import psutil
from prometheus_client.parser import text_string_to_metric_families

from tests.stack import Stack

_MIB = 1024 * 1024
_EVERY_S = 1.0


def figure(server: Stack, name: str, **labels: str) -> float:
    """The sum of all its series that have these labels."""
    text = httpx.get(server.url() + "/metrics", timeout=60).raise_for_status().text
    return sum(
        sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if sample.name == name and labels.items() <= sample.labels.items()
    )


def answered(server: Stack) -> int:
    """Items of ClassifyStream that have their answer, whatever it is."""
    items, method = "mien_stream_items_total", "ClassifyStream"
    return int(figure(server, items, method=method) - figure(server, items, method=method, code="cancelled"))


def rss_mib(pid: int) -> float:
    return float(psutil.Process(pid).memory_info().rss / _MIB)


@dataclass(slots=True)
class Log:
    """Samples in the order they were taken: when, the items answered, the items in flight, each process' memory."""

    seconds: list[float] = field(default_factory=list)
    items: list[int] = field(default_factory=list)
    in_flight: list[int] = field(default_factory=list)
    rss_mib: dict[str, list[float]] = field(default_factory=dict)

    def growth(self, process: str, *, after_items: int = 0) -> Growth:
        """From the first sample with so many items on.

        Raises:
            ValueError: fewer than two samples are left.
        """
        chosen = [(x, y) for x, y in zip(self.items, self.rss_mib[process], strict=True) if x >= after_items]
        if len(chosen) < 2:
            raise ValueError("the run is too short to say how memory grows; ask for more --images")
        items, memory = np.array(chosen).T
        slope = np.polyfit(items / 1000, memory, 1)[0] if np.ptp(items) else 0.0
        return Growth(chosen[0][1], chosen[-1][1], max(memory), float(slope))


@dataclass(frozen=True, slots=True)
class Growth:
    """MiB; the slope is of the straight line through all samples, MiB for each 1,000 items."""

    start: float
    end: float
    most: float
    slope: float

    def __str__(self) -> str:
        return f"{self.start:.0f} → {self.end:.0f} MiB (most {self.most:.0f})"


@contextmanager
def watching(server: Stack, pids: Mapping[str, int]) -> Iterator[Log]:
    """Sample the server and these processes each second until the block, or one of the processes, ends."""
    log, over, begun = Log(rss_mib={name: [] for name in pids}), threading.Event(), time.monotonic()

    def sample() -> None:
        while not over.wait(_EVERY_S):
            try:
                items, in_flight = answered(server), figure(server, "mien_stream_items_in_flight")
                memory = {name: rss_mib(pid) for name, pid in pids.items()}
            except httpx.HTTPError:  # late: the next one will do
                continue
            except psutil.Error:
                return
            if not all(memory.values()):  # ended, and not yet waited for
                return
            log.seconds.append(time.monotonic() - begun)
            log.items.append(items)
            log.in_flight.append(int(in_flight))
            for name, value in memory.items():
                log.rss_mib[name].append(value)

    thread = threading.Thread(target=sample)
    thread.start()
    try:
        yield log
    finally:
        over.set()
        thread.join()

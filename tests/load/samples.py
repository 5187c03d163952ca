"""What a long run is judged by: samples of processes and of waits, and how they change with time."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import psutil

_MIB = 1024 * 1024
_BLOCKS = 12  # of a run: samples that follow each other are alike, means of blocks are not
# A stretch counts as the machine's own trouble from so much stolen time on, or so many times the usual pace, until what
# had piled up meanwhile is answered.
_STOLEN, _SLOW, _DRAINS_S = 0.05, 1.5, 30.0


@dataclass(frozen=True, slots=True)
class Sample:
    """At `at_s` since the start; `p50_s` and `p99_s` are of calls that ended since the one before, `pace_s` is the
    machine's own: `pace`. `stolen` is the share of the processors' time since the sample before that the host gave to
    others, where it tells."""

    at_s: float
    rss_mib: float
    descriptors: int
    threads: int
    p50_s: float | None
    p99_s: float | None
    pace_s: float
    stolen: float = 0.0


def pace() -> float:
    """Processor seconds of a fixed computation: a shared machine is faster now, slower then, whatever else it does."""
    begun = time.thread_time()
    sum(range(400_000))
    return time.thread_time() - begun


def stolen_s() -> float:
    """Seconds of all processors that the host has given to others since it started; 0 where it does not tell."""
    return float(getattr(psutil.cpu_times(), "steal", 0.0))


def sample(pid: int, at_s: float, seconds: Sequence[float], stolen: float = 0.0) -> Sample:
    """Of a process now."""
    process = psutil.Process(pid)
    p50, p99 = np.percentile(seconds, [50, 99]).tolist() if seconds else (None, None)
    with process.oneshot():
        memory, descriptors, threads = process.memory_info().rss / _MIB, process.num_fds(), process.num_threads()
    return Sample(round(at_s, 2), memory, descriptors, threads, p50, p99, pace(), round(stolen, 4))


def append(path: Path, sample: Sample) -> None:
    """As a line of JSON."""
    with path.open("a") as file:
        file.write(json.dumps(asdict(sample)) + "\n")


@dataclass(frozen=True, slots=True)
class Slope:
    """MiB an hour, and half the width of its 95 % interval."""

    per_h: float
    give_or_take: float

    def __str__(self) -> str:
        return f"{self.per_h:+.2f} ± {self.give_or_take:.2f} MiB/h"


def slope(samples: Sequence[Sample]) -> Slope:
    """Of memory: least squares through the means of `_BLOCKS` stretches.

    Raises:
        ValueError: the run is too short for as many.
    """
    if len(samples) < 2 * _BLOCKS:
        raise ValueError(f"a slope needs {2 * _BLOCKS} samples; let it run longer")
    blocks = np.array_split(np.array([(each.at_s / 3600, each.rss_mib) for each in samples]), _BLOCKS)
    hours, memory = np.array([block.mean(axis=0) for block in blocks]).T
    from_mean = hours - hours.mean()
    spread = float((from_mean**2).sum())
    per_h = float((from_mean * memory).sum()) / spread
    rest = memory - memory.mean() - per_h * from_mean
    error = math.sqrt(float((rest**2).sum()) / (_BLOCKS - 2) / spread)
    return Slope(per_h, 2.228 * error)  # Student's t of 10 degrees of freedom


def thirds(samples: Sequence[Sample], warm_s: float) -> tuple[list[Sample], list[Sample]]:
    """The first and the last third of what came after the warm-up."""
    warm = [each for each in samples if each.at_s >= warm_s]
    size = len(warm) // 3
    return warm[:size], warm[len(warm) - size :]


def disturbed(samples: Sequence[Sample]) -> list[bool]:
    """Which samples end a stretch in which others had the machine, or in which their queue drained."""
    usual = float(np.median([each.pace_s for each in samples]))
    hit = [each.at_s for each in samples if each.stolen > _STOLEN or each.pace_s > _SLOW * usual]
    return [any(0 <= each.at_s - at_s <= _DRAINS_S for at_s in hit) for each in samples]


def drift(windows: Mapping[str, list[float]]) -> float:
    """How much longer the last wait than the first, as a share; of two lists of seconds."""
    first, last = (float(np.percentile(windows[name], 99)) for name in ("first", "last"))
    return last / first - 1

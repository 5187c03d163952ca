"""Long hours: the three users at about half of what the server can do, and what becomes of it.

    python -m tests.load.soak [--minutes 60] [--to runs/soak] [--into docs/reliability.md]

Beside each other on one real `mien serve all`: an application (REST, a photo after the other), a batch client (gRPC
streams, one after the other), now and then a call for generation, and an operator (/metrics, /status.json, /readyz).
Every few seconds memory, descriptors, threads, the waits and the machine's own pace are noted in `samples.jsonl`.
Every answer is compared, bit by bit, with the first to the same question. The first sixth of the run is warm-up and
counts for nothing; before it more callers than the server takes come at once, so that what a pile-up makes a process
keep (full batches, all threads) is kept by then: a leak goes on growing, a high-water mark does not.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import psutil

from tests.load import gates, page, soak_picture
from tests.load.arrivals import ask as drive
from tests.load.gates import Gate
from tests.load.samples import Sample, append, disturbed, drift, sample, slope, stolen_s, thirds
from tests.load.users import Users, working
from tests.stack import Stack, running

_EVERY_S, _LEAST_MINUTES = 5.0, 3.0
_SLOPE_MIB_H, _DRIFT = 1.0, 0.10  # the gates
_WARM_SHARE, _WARM_MOST_S = 1 / 6, 600.0
_CROWD, _CROWD_S = 128, 30.0


@dataclass(frozen=True, slots=True)
class Run:
    """`waits`: of the application in the first and the last third; `calm`: of them, those that ended while the machine
    kept its pace."""

    samples: list[Sample]
    users: Users
    warm_s: float
    waits: dict[str, list[float]]
    calm: dict[str, list[float]]


def capacity(server: Stack) -> float:
    """Answers a second, of callers in a closed loop; after a crowd of them."""
    drive(server.address(), _CROWD_S, 60.0, callers=_CROWD)
    met = drive(server.address(), 10.0, 60.0, callers=8)
    return met.codes.get("OK", 0) / met.lasted_s


def measure(server: Stack, minutes: float, to: Path) -> Run:
    """The run; `to` gets its samples."""
    to.mkdir(parents=True, exist_ok=True)
    path = to / "samples.jsonl"
    path.unlink(missing_ok=True)
    per_s = capacity(server) / 2
    page.say(f"half of the capacity: {per_s:.1f} calls a second")
    samples: list[Sample] = []
    begun, seconds, stolen = time.monotonic(), minutes * 60, stolen_s()
    with working(server, per_s) as users:
        while (at_s := time.monotonic() - begun) < seconds:
            time.sleep(_EVERY_S)
            now = time.monotonic() - begun
            waits = [wait for ended, wait in list(users.waits) if begun + at_s <= ended < begun + now]
            stolen, before = stolen_s(), stolen
            share = (stolen - before) / (now - at_s) / (psutil.cpu_count() or 1)
            samples.append(sample(server.process.pid, now, waits, share))
            append(path, samples[-1])
            if len(samples) % 60 == 0:
                page.say(f"{now / 60:.0f} min: {samples[-1]}, {users.told()}")
    warm_s = min(_WARM_MOST_S, seconds * _WARM_SHARE)
    first, last = thirds(samples, warm_s)
    ends = np.array([each.at_s for each in samples])
    hit = disturbed(samples)

    def within(part: list[Sample], calm: bool) -> list[float]:
        found = []
        for ended, wait in users.waits:
            at_s = ended - begun
            sample_after = min(int(np.searchsorted(ends, at_s)), len(ends) - 1)
            if part[0].at_s <= at_s <= part[-1].at_s and not (calm and hit[sample_after]):
                found.append(wait)
        return found

    waits, kept = ({"first": within(first, calm), "last": within(last, calm)} for calm in (False, True))
    return Run(samples, users, warm_s, waits, kept)


def judged(run: Run) -> list[Gate]:
    warm = [each for each in run.samples if each.at_s >= run.warm_s]
    memory, later, in_all = slope(warm), drift(run.calm), drift(run.waits)
    first, last = thirds(run.samples, run.warm_s)
    descriptors = [float(np.median([each.descriptors for each in part])) for part in (first, last)]
    threads = [float(np.median([each.threads for each in part])) for part in (first, last)]
    return [
        Gate(f"memory grows by less than {_SLOPE_MIB_H:g} MiB/h", str(memory), memory.per_h < _SLOPE_MIB_H),
        Gate("descriptors constant", "{:.0f} → {:.0f}".format(*descriptors), descriptors[0] == descriptors[1]),
        Gate("threads constant", "{:.0f} → {:.0f}".format(*threads), threads[0] == threads[1]),
        Gate(
            f"p99 of the last third within {_DRIFT:.0%} of the first, while the machine kept its pace",
            f"{later:+.1%} (with the rest {in_all:+.1%})",
            later < _DRIFT,
        ),
        Gate("every answer equal to its first", f"{run.users.differ} differ", run.users.differ == 0),
        Gate("no call fails", f"{run.users.failed} failed", run.users.failed == 0),
    ]


def text(run: Run, kept: list[Gate], minutes: float, picture: Path | None) -> str:
    """For the page."""
    start, end = run.samples[0], run.samples[-1]
    paces = [float(np.median([each.pace_s for each in part])) for part in thirds(run.samples, run.warm_s)]
    median = [float(np.median(run.waits[name])) for name in ("first", "last")]
    hit = disturbed([each for each in run.samples if each.at_s >= run.warm_s])
    told = (
        f"{page.machine()}; {minutes:g} minutes at half of the capacity, {run.users.told()}. The first "
        f"{run.warm_s / 60:.3g} minutes are warm-up. Memory {start.rss_mib:.0f} → {end.rss_mib:.0f} MiB. "
        f"Last third against first: the application's p50 {median[1] / median[0] - 1:+.0%}, the processor time of a "
        f"fixed computation beside it, which is the machine's own pace, {paces[1] / paces[0] - 1:+.0%}. In "
        f"{np.mean(hit):.1%} of the time after the warm-up others had the machine (over 5% of its time stolen, or that "
        f"computation 1.5 times as long as usual), or what had piled up drained for 30 s:"
    )
    shown = f"\n\n![Memory, descriptors, threads and waits over the run]({picture.name})" if picture else ""
    return f"{told}\n\n{page.table([gate.row() for gate in kept], gates.HEAD)}{shown}"


def main() -> None:
    parser = argparse.ArgumentParser(description="Long hours.")
    parser.add_argument("--minutes", type=float, default=60.0, help=f"(60) at least {_LEAST_MINUTES:g}")
    parser.add_argument("--to", type=Path, default=Path("runs/soak"), help="folder for samples.jsonl and soak.jpg")
    parser.add_argument("--into", type=Path, help="put the result between this page's markers, the picture beside it")
    options = parser.parse_args()
    if options.minutes < _LEAST_MINUTES:
        parser.error(f"--minutes must be at least {_LEAST_MINUTES:g}: less says nothing")
    with running("all", ready_within_s=240) as server:
        run = measure(server, options.minutes, options.to)
    kept = judged(run)
    picture = options.into.parent / "soak.jpg" if options.into else None
    soak_picture.draw(run.samples, run.warm_s, picture or options.to / "soak.jpg")
    page.publish(text(run, kept, options.minutes, picture), "soak", options.into)
    gates.leave(kept)


if __name__ == "__main__":
    main()

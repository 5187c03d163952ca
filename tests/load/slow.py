"""Slow and half-open connections, and what four ordinary callers notice of them.

    python -m tests.load.slow [--connections 200] [--rounds 5] [--images 100] [--into docs/reliability.md]

`tests.load.idlers` says what they do; who is thrown out comes back within a second. Rounds with and without them
alternate. Ends with 1 where the callers' p99 is more than twice what it was without them, or anything of them stays.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import psutil

from tests.hostile.judging import Memory, weighing
from tests.load import idlers, page
from tests.load.callers import ask
from tests.load.photos import photo
from tests.load.watch import figure
from tests.stack import Stack, running

_CALLERS, _MOST_RATIO = 4, 2.0
_GONE_S = 120.0


@dataclass(slots=True)
class Result:
    """Seconds of each call, round by round; descriptors of the server before the first crowd and after the last."""

    alone: list[list[float]] = field(default_factory=list)
    beside: list[list[float]] = field(default_factory=list)
    memory: Memory = field(default_factory=Memory)
    descriptors: tuple[int, int] = (0, 0)
    busy: float = 0.0

    def ratio(self) -> float:
        """p99 beside them ÷ p99 without."""
        return float(np.percentile(np.concatenate(self.beside), 99) / np.percentile(np.concatenate(self.alone), 99))


def busy(server: Stack) -> float:
    """Calls, streams and items that the gateway still holds; the call that asks is none."""
    names = ("mien_requests_in_flight", "mien_places_taken", "mien_stream_items_in_flight", "mien_queue_rows")
    return sum(figure(server, name) for name in names) - 1


def measure(server: Stack, picture: Path, connections: int, rounds: int, images: int) -> Result:
    """Rounds without and with them, in turn; then they leave for good."""
    url, process, result = f"{server.url()}/v1/classify", psutil.Process(server.process.pid), Result()
    ask(url, picture, _CALLERS, 20)
    time.sleep(6)  # idle connections of the warm-up are closed after 5 s
    before = process.num_fds()
    with weighing(process.pid) as result.memory:
        for number in range(rounds):
            result.alone.append(ask(url, picture, _CALLERS, images)[1])
            with idlers.present(server, connections):
                result.beside.append(ask(url, picture, _CALLERS, images)[1])
            p99_s = [np.percentile(side[-1], 99) for side in (result.alone, result.beside)]
            page.say(f"round {number + 1} of {rounds}: p99 {p99_s[0]:.3f} s alone, {p99_s[1]:.3f} s beside them")
        deadline = time.monotonic() + _GONE_S
        while (process.num_fds() > before or busy(server)) and time.monotonic() < deadline:
            time.sleep(1)
    result.descriptors, result.busy = (before, process.num_fds()), busy(server)
    return result


def text(result: Result, options: argparse.Namespace) -> str:
    """For the page."""
    quantiles = [
        "p50 {:.0f} ms, p99 {:.0f} ms".format(*np.percentile(np.concatenate(side) * 1000, (50, 99)))
        for side in (result.alone, result.beside)
    ]
    each = [np.percentile(b, 99) / np.percentile(a, 99) for a, b in zip(result.alone, result.beside, strict=True)]
    spread = f"{len(each)} rounds, {min(each):.2f}–{max(each):.2f}"
    before, after = result.descriptors
    memory = f"{result.memory.start:.0f} → {result.memory.end:.0f} MiB (most {result.memory.most:.0f})"
    rows = [
        (f"{_CALLERS} callers alone", quantiles[0]),
        (f"the same beside {options.connections} slow connections", quantiles[1]),
        ("p99 beside them ÷ p99 alone", f"**{result.ratio():.2f}** ({spread})"),
        ("memory of the server", memory),
        ("open descriptors before them, and after", f"{before}, {after}"),
        ("calls, streams and items that stayed", f"{result.busy:.0f}"),
    ]
    return f"{page.machine()}; {options.images:,} calls in each round:\n\n{page.table(rows)}"


def main() -> None:
    parser = argparse.ArgumentParser(description="Slow and half-open connections.")
    for name, usual in (("connections", 200), ("rounds", 5), ("images", 100)):
        parser.add_argument(f"--{name}", type=int, default=usual, help=f"({usual})")
    parser.add_argument("--into", type=Path, help="put the result between this page's markers")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as work, running("all", ready_within_s=240) as server:
        picture = Path(work) / "photo.jpg"
        picture.write_bytes(photo(0))
        result = measure(server, picture, options.connections, options.rounds, options.images)
    page.publish(text(result, options), "slow", options.into)
    before, after = result.descriptors
    sys.exit(result.ratio() > _MOST_RATIO or after > before or result.busy > 0)


if __name__ == "__main__":
    main()

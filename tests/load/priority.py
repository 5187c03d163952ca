"""Single calls while a stream saturates the machine: as the product is, without its priority, and on an idle server.

    python -m tests.load.priority [--images 40] [--rounds 5] [--into docs/batch.md]

Two real servers: `mien serve all`, and the same by `without_lanes.py`, where items of streams are not patient. Only one
of them is asked at a time; idle, with and without take turns.
"""

from __future__ import annotations

import tempfile
from collections import defaultdict
from contextlib import nullcontext
from pathlib import Path

import numpy as np

from tests.load import page
from tests.load.batch import warm
from tests.load.callers import ask
from tests.load.photos import SIZE_PX, photo
from tests.load.streams import saturating
from tests.load.watch import answered
from tests.stack import Stack, running

_CALLERS, _WINDOW = (1, 2, 4), 32
_IDLE, _WITH, _WITHOUT = "idle server", "a stream, with priority", "a stream, without"

Measured = dict[tuple[str, int], list[float]]


def measure(product: Stack, level: Stack, picture: Path, rounds: int, images: int) -> tuple[Measured, Measured]:
    """Seconds of each call, and the stream's images a second in each round, by condition and number of callers."""
    latencies: Measured = defaultdict(list)
    rates: Measured = defaultdict(list)
    for number in range(rounds):
        for condition, server in ((_IDLE, product), (_WITH, product), (_WITHOUT, level)):
            with nullcontext() if condition == _IDLE else saturating(server, _WINDOW):
                for callers in _CALLERS:
                    before = answered(server)
                    seconds, each = ask(server.url() + "/v1/classify", picture, callers, images)
                    latencies[condition, callers] += each
                    rates[condition, callers].append((answered(server) - before) / seconds)
            page.say(f"round {number + 1} of {rounds}, {condition}: last p50 {np.median(each):.3f} s")
    return latencies, rates


def text(latencies: Measured, rates: Measured, rounds: int, images: int) -> str:
    """For the page."""

    def cell(condition: str, callers: int) -> str:
        p50, p99 = np.percentile(np.array(latencies[condition, callers]) * 1000, (50, 99))
        stream = "" if condition == _IDLE else f"; stream {np.median(rates[condition, callers]):.1f}/s"
        return f"{p50:.0f} / {p99:.0f}{stream}"

    conditions = (_IDLE, _WITH, _WITHOUT)
    rows = [(str(callers), *(cell(condition, callers) for condition in conditions)) for callers in _CALLERS]
    head = ("callers", *(f"{condition}: p50 / p99 ms" for condition in conditions))
    sizes = f"{images:,} single calls in each of {rounds} rounds, window of {_WINDOW} items, photos of "
    sizes += f"{SIZE_PX[0]} x {SIZE_PX[1]} pixels"
    return f"{page.machine()}; {sizes}:\n\n{page.table(rows, head)}"


def main() -> None:
    options = page.options("Single calls beside a stream.", 40, "single calls in each round", rounds=5)
    with (
        tempfile.TemporaryDirectory() as work,
        running("all", stream_window_items=_WINDOW, ready_within_s=240) as product,
        running("all", module="tests.load.without_lanes", stream_window_items=_WINDOW, ready_within_s=240) as level,
    ):
        picture = Path(work) / "photo.jpg"
        picture.write_bytes(photo(0))
        warm(product)
        warm(level)
        measured = measure(product, level, picture, options.rounds, options.images)
    page.publish(text(*measured, options.rounds, options.images), "priority", options.into)


if __name__ == "__main__":
    main()

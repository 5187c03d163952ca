"""Streams whose callers read slowly, or never, beside callers of single photos: what they take of the server.

    python -m tests.load.slow_consumer [--images 200] [--rounds 5] [--into docs/batch.md]

Two streams send all they may: one reads an answer a second, one reads nothing. Once their (small) buffers are
full, two callers ask for single photos; then the streams go, and the callers ask again. The rounds alternate.
"""

from __future__ import annotations

import statistics
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tests.load import page
from tests.load.batch import warm
from tests.load.callers import ask
from tests.load.photos import SIZE_PX, photo
from tests.load.streams import both_held, in_flight
from tests.load.watch import Growth, answered, rss_mib, watching
from tests.stack import Stack, running

_CALLERS, _WINDOW = 2, 32
_EVERY_S = 1.0


@dataclass(frozen=True, slots=True)
class Result:
    """Seconds of each single call, round by round, without the streams and with them.

    Attributes:
        in_flight: samples of the items of both streams, while the callers asked beside them.
        before_mib: the server's memory before the first stream; `memory` is from the first full buffers on.
    """

    alone: list[list[float]]
    beside: list[list[float]]
    in_flight: list[int]
    answers_per_s: float
    before_mib: float
    memory: Growth


def measure(server: Stack, picture: Path, rounds: int, images: int) -> Result:
    """Rounds without and with the streams, in turn."""
    url = server.url() + "/v1/classify"
    ask(url, picture, _CALLERS, 20)
    alone, beside, items, rates, first_items = [], [], [], [], 0
    before_mib = rss_mib(server.process.pid)
    with watching(server, {"server": server.process.pid}) as log:
        for number in range(rounds):
            alone.append(ask(url, picture, _CALLERS, images)[1])
            with both_held(server, _EVERY_S, _WINDOW):
                before, first = answered(server), len(log.items)
                first_items = first_items or before
                seconds, each = ask(url, picture, _CALLERS, images)
                rates.append((answered(server) - before) / seconds)
                items += [*log.in_flight[first:], in_flight(server)]
            beside.append(each)
            p99_s = [np.percentile(side[-1], 99) for side in (alone, beside)]
            page.say(f"round {number + 1} of {rounds}: p99 {p99_s[0]:.3f} s alone, {p99_s[1]:.3f} s beside the streams")
    memory = log.growth("server", after_items=first_items)
    return Result(alone, beside, items, statistics.median(rates), before_mib, memory)


def text(result: Result, images: int) -> str:
    """For the page."""
    pooled = [np.concatenate(side) * 1000 for side in (result.alone, result.beside)]
    (p50, p50_beside), (p99, p99_beside) = ([float(np.percentile(side, q)) for side in pooled] for q in (50, 99))
    ratios = [
        float(np.percentile(with_them, 99) / np.percentile(without, 99))
        for without, with_them in zip(result.alone, result.beside, strict=True)
    ]
    spread = f"{len(ratios)} rounds, {min(ratios):.2f}–{max(ratios):.2f}"
    flight = f"{min(result.in_flight)}–{max(result.in_flight)} (two windows of {_WINDOW})"
    rows = [
        (f"{_CALLERS} callers alone", f"p50 {p50:.0f} ms, p99 {p99:.0f} ms"),
        ("the same beside the streams", f"p50 {p50_beside:.0f} ms, p99 {p99_beside:.0f} ms"),
        ("p99 beside the streams ÷ p99 alone", f"**{p99_beside / p99:.2f}** ({spread})"),
        ("items of the two streams in flight", flight),
        ("answers to both streams", f"{result.answers_per_s:.1f} a second"),
        ("memory of the server before the first stream", f"{result.before_mib:.0f} MiB"),
        (f"the same, from the first full buffers to the last of {len(ratios)} times", str(result.memory)),
    ]
    sizes = f"{images:,} single calls in each round, photos of {SIZE_PX[0]} x {SIZE_PX[1]} pixels"
    return f"{page.machine()}; {sizes}:\n\n{page.table(rows)}"


def main() -> None:
    options = page.options("Slow readers of streams.", 200, "single calls in each round", rounds=5)
    with (
        tempfile.TemporaryDirectory() as work,
        running("all", stream_window_items=_WINDOW, ready_within_s=240) as server,
    ):
        picture = Path(work) / "photo.jpg"
        picture.write_bytes(photo(0))
        warm(server)
        result = measure(server, picture, options.rounds, options.images)
    page.publish(text(result, options.images), "slow_consumer", options.into)


if __name__ == "__main__":
    main()

"""What traces cost: images a second of one gateway with nobody tracing, and with every call traced.

    python -m tests.load.tracing --rounds 4 --images 40 --into deploy/README.md

Two `mien serve all` stand side by side and are asked in turns, 4 callers each time, so that a machine that slows down
slows both. Spans go to a collector in the process of the measurement, on the same cores. A third row says what the code
itself costs where nobody traces: the spans of a photo, entered and left a hundred thousand times.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from pathlib import Path

from services import spans
from tests.collector import collecting
from tests.load import photos
from tests.load.callers import ask
from tests.load.page import machine, options, publish, say, table
from tests.stack import running

CALLERS, SPANS, TURNS = 4, 20, 100_000  # a classified photo has so many spans, over four processes


def untraced_s() -> float:
    """Seconds that a photo's spans take where nobody traces."""
    started = time.perf_counter()
    for _ in range(TURNS):
        with spans.span("detect") as span:
            span.note({})
        spans.traced("decode", time.perf_counter)
    return (time.perf_counter() - started) / TURNS * SPANS


def measured(rounds: int, images: int) -> str:
    """The table, as Markdown."""
    off: list[float] = []
    on: list[float] = []
    with tempfile.TemporaryDirectory() as folder, collecting() as collector:
        photo = Path(folder) / "photo.jpg"
        photo.write_bytes(photos.photo(0))
        patience = {"ready_within_s": 300.0}
        with running("all", **patience) as quiet, running("all", otlp_endpoint=collector.address, **patience) as traced:
            sides = [(quiet, off), (traced, on)]
            for stack, _ in sides:
                ask(stack.url() + "/v1/classify", photo, CALLERS, CALLERS * 2)
            for number in range(rounds):
                for stack, rates in sides if number % 2 else reversed(sides):
                    rates.append(images / ask(stack.url() + "/v1/classify", photo, CALLERS, images)[0])
                say(f"round {number + 1}: off {off[-1]:.1f}/s, on {on[-1]:.1f}/s")
            traced.stop()  # sends the last of them
        asked, arrived = CALLERS * 2 + rounds * images, sum(span.name == "/v1/classify" for span in collector.spans())
    ratios = [with_ / without for with_, without in zip(on, off, strict=True)]
    rows = [
        ("nobody traces", f"{statistics.median(off):.1f} images/s"),
        ("every call is traced", f"{statistics.median(on):.1f} images/s"),
        ("traced ÷ untraced", f"{statistics.median(ratios):.2f} (rounds {min(ratios):.2f}–{max(ratios):.2f})"),
        ("traces that arrived", f"{arrived} of {asked}"),
        (f"{SPANS} spans where nobody traces", f"{untraced_s() * 1e6:.0f} µs"),
    ]
    head = f"{machine()}, {rounds} rounds of {images} photos each, {CALLERS} callers, in turns:"
    return f"{head}\n\n{table(rows)}"


def main() -> None:
    asked = options("What traces cost.", 40, "photos for each side and round", rounds=4)
    publish(measured(asked.rounds, asked.images), "tracing", asked.into)


if __name__ == "__main__":
    main()

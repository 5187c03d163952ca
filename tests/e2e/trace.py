"""The handbook's picture of a trace: `python -m tests.e2e.trace --triton docs/trace.png`.

Four real `mien serve` processes and a collector; one photo goes through, REST to inference, after others have warmed
the way. Drawn is what the collector got of it: a line for each span, its process by colour, milliseconds since the call
came. With `--triton` NVIDIA's server runs the models, and its own spans stand below ours.
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from io import BytesIO
from pathlib import Path

import httpx
from PIL import Image, ImageDraw

from tests import triton_server
from tests.collector import Kept, collecting
from tests.load import photos
from tests.stack import apart

MODELS = Path(__file__).resolve().parents[2] / "model_repository"
WARMING, TRACE = 5, "5c" * 16
WIDTH_PX, NAMES_PX, LINE_PX, EDGE_PX = 1200, 360, 24, 16
TRITON = "triton-inference-server"
COLOURS = {
    "mien-gateway": "#4269d0",
    "mien-detection": "#3ca951",
    "mien-classification": "#efb118",
    TRITON: "#9c6b4e",
}
INK, FAINT = "#222222", "#dddddd"
LAST = {"/v1/classify": 1, "Detect": 1, "Classify": 1}  # of each process, the span that ends last
LAST_OF_TRITON = {"InferRequest": 3}


def one_photo(with_triton: bool) -> list[Kept]:
    """The spans of one photo's way through four processes, or five."""
    with ExitStack() as held:
        collector = held.enter_context(collecting())
        settings = {"otlp_endpoint": collector.address}
        if with_triton:
            triton = held.enter_context(triton_server.running(MODELS, otlp=collector.http_address))
            settings |= {"backend": "triton", "triton_address": triton.address}
        url = held.enter_context(apart(**settings))["gateway"].url() + "/v1/classify?explain=true"
        for number in range(WARMING):
            httpx.post(url, files={"image": photos.photo(number)}, timeout=60).raise_for_status()
        headers = {"traceparent": f"00-{TRACE}-{'cd' * 8}-01"}
        httpx.post(url, files={"image": photos.photo(0)}, headers=headers, timeout=60).raise_for_status()
        wanted = LAST | (LAST_OF_TRITON if with_triton else {})

        def whole(spans: list[Kept]) -> bool:
            names = Counter(span.name for span in spans if span.trace == TRACE)
            return all(names[name] >= count for name, count in wanted.items())

        return [span for span in collector.wait(whole) if span.trace == TRACE]


def lines(spans: Sequence[Kept], parent: Kept | None = None, depth: int = 0) -> Iterator[tuple[int, Kept]]:
    """Depth and span, each under its parent, in the order of time."""
    known = {span.id for span in spans}
    for span in sorted(spans, key=lambda span: span.start_ns):
        if span.parent == parent.id if parent else span.parent not in known:
            yield depth, span
            yield from lines(spans, span, depth + 1)


def drawn(spans: Sequence[Kept]) -> Image.Image:
    """The waterfall."""
    rows = list(lines(spans))
    first_ns = min(span.start_ns for span in spans)
    whole_ms = (max(span.end_ns for span in spans) - first_ns) / 1e6
    left_px = EDGE_PX + NAMES_PX
    px_per_ms = (WIDTH_PX - left_px - EDGE_PX - 90) / whole_ms
    canvas = Image.new("RGB", (WIDTH_PX, 2 * EDGE_PX + (len(rows) + 2) * LINE_PX), "white")
    draw = ImageDraw.Draw(canvas)
    bottom_px = EDGE_PX + (len(rows) + 1) * LINE_PX
    for ms in range(0, int(whole_ms) + 1, _step(whole_ms)):
        x = left_px + ms * px_per_ms
        draw.line([(x, EDGE_PX + LINE_PX), (x, bottom_px)], FAINT)
        draw.text((x, EDGE_PX + LINE_PX // 2), f"{ms} ms", INK, anchor="mm", font_size=13)
    for row, (depth, span) in enumerate(rows, start=1):
        middle = EDGE_PX + row * LINE_PX + LINE_PX // 2
        start_px, end_px = (left_px + (ns - first_ns) / 1e6 * px_per_ms for ns in (span.start_ns, span.end_ns))
        bar = (start_px, middle - 7, max(end_px, start_px + 1), middle + 7)
        draw.text((EDGE_PX + depth * 16, middle), _label(span), INK, anchor="lm", font_size=14)
        draw.rectangle(bar, COLOURS.get(span.process, INK))
        took = f"{(span.end_ns - span.start_ns) / 1e6:.1f}"
        draw.text((bar[2] + 6, middle), took, INK, anchor="lm", font_size=12)
    x = float(EDGE_PX)
    for process, colour in COLOURS.items():
        if all(span.process != process for span in spans):
            continue
        draw.rectangle((x, bottom_px + 8, x + 12, bottom_px + 20), colour)
        draw.text((x + 18, bottom_px + 14), process, INK, anchor="lm", font_size=13)
        x += 40 + draw.textlength(process, font_size=13)
    return canvas


def _label(span: Kept) -> str:
    """Its name; a model's with its version and the rows that it was asked about."""
    rows, version = span.values.get("mien.rows"), span.values.get("mien.version")
    return f"{span.name} v{version}, rows: {rows}" if rows and version else span.name


def _step(whole_ms: float) -> int:
    """Milliseconds between two marks: 1, 2 or 5 times a power of ten, at most ten marks."""
    return next(step for power in (1, 10, 100, 1000) for step in (power, 2 * power, 5 * power) if whole_ms / step <= 10)


def main() -> None:
    parser = argparse.ArgumentParser(description="The trace of one photo, drawn.")
    parser.add_argument("to", type=Path, help="a .png")
    parser.add_argument("--triton", action="store_true", help="with Triton (make triton sets it up)")
    options = parser.parse_args()
    data = BytesIO()
    drawn(one_photo(options.triton)).quantize(32).save(data, "PNG", optimize=True)
    options.to.write_bytes(data.getvalue())


if __name__ == "__main__":
    main()

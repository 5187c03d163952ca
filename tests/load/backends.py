"""The embedded backend beside Triton, on the same machine, in turns.

    python -m tests.load.backends --write deploy/README.md

Two real stacks run at once, one on each backend; a machine that slows down slows both. Callers in a process of their
own ask the classification service for a face that was cut out, and the gateway for a photo. Figures are medians over
the rounds; the p99 is over all requests. The mean batch of the classifier is rows ÷ executions: from Triton's own
counters, and from the embedded batcher's.
"""

from __future__ import annotations

import argparse
import os
import platform
import re
import statistics
import tempfile
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import numpy as np
from PIL import Image
from rich.console import Console

from tests import triton_server
from tests.conftest import encoded, statue
from tests.load import page
from tests.load.callers import ask
from tests.stack import Stack, running
from tests.triton_server import Triton

ROOT = Path(__file__).resolve().parents[2]
SAY = Console(stderr=True, highlight=False)
CLASSIFIER = "expression_classifier"
CALLERS = (1, 4, 16, 64)
Counts = Callable[[], tuple[float, float]]
"""Rows and executions of the classifier until now."""


@dataclass(slots=True)
class Cell:
    """One row of the table: images per second of each round, seconds of each request, rows and executions in all."""

    per_s: list[float] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    rows: float = 0.0
    executions: float = 0.0


Key = tuple[str, int, str]  # door, callers, backend


def measure(repository: Path, rounds: int, requests: int, most_callers: int) -> dict[Key, Cell]:
    """Both backends in turn, for each door and number of callers."""
    canvas = Image.linear_gradient("L").resize((640, 480)).convert("RGB")
    canvas.paste(statue(0).resize((400, 400)), (120, 40))
    cells: dict[Key, Cell] = defaultdict(Cell)
    with (
        tempfile.TemporaryDirectory() as folder,
        triton_server.running(repository) as triton,
        running("all", model_repository=repository) as embedded,
        running("all", model_repository=repository, backend="triton", triton_address=triton.address) as distant,
    ):
        face, photo = Path(folder) / "face.jpg", Path(folder) / "photo.jpg"
        face.write_bytes(encoded(statue(0).resize((112, 112))))
        photo.write_bytes(encoded(canvas))
        sides: dict[str, tuple[Stack, Counts]] = {
            "embedded": (embedded, lambda: _own(embedded)),
            "triton": (distant, lambda: _tritons(triton)),
        }
        for turn in range(rounds):
            for door, picture in (("classification", face), ("gateway", photo)):
                for callers in (number for number in CALLERS if number <= most_callers):
                    for name, (stack, counts) in sides.items():
                        url = stack.url(door) + "/v1/classify"
                        if not turn:
                            ask(url, picture, callers, callers)
                        cell = cells[door, callers, name]
                        rows, executions = counts()
                        count = max(requests, 2 * callers)
                        spent, seconds = ask(url, picture, callers, count)
                        cell.per_s.append(count / spent)
                        cell.seconds += seconds
                        more_rows, more_executions = counts()
                        cell.rows += more_rows - rows
                        cell.executions += more_executions - executions
                        SAY.print(f"round {turn + 1}: {door}, {callers} callers, {name}: {count / spent:.1f}/s")
    return cells


def _own(stack: Stack) -> tuple[float, float]:
    text = httpx.get(stack.url() + "/metrics", timeout=30).text
    sums = [re.search(rf'mien_batch_rows_{end}{{model="{CLASSIFIER}"}} (\S+)', text) for end in ("sum", "count")]
    rows, executions = (float(found[1]) if found else 0.0 for found in sums)
    return rows, executions


def _tritons(triton: Triton) -> tuple[float, float]:
    return triton.counted("nv_inference_count", CLASSIFIER), triton.counted("nv_inference_exec_count", CLASSIFIER)


def table(cells: dict[Key, Cell], rounds: int, requests: int) -> str:
    """The handbook's lines."""
    head = (
        f"On {os.cpu_count()} CPU cores ({platform.machine()}), Triton with the Python backend, both stacks and the "
        f"callers on the same cores; {rounds} rounds of {requests} requests. *Face*: a face of 112 px to the "
        "classification service; *photo*: 640 x 480, one face, to the gateway."
    )
    lines = [
        head,
        "",
        "| asked for | callers | backend | images/s | p50 | p99 | mean batch |",
        "|---|---|---|---|---|---|---|",
    ]
    for (door, callers, name), cell in cells.items():
        p50, p99 = np.percentile(cell.seconds, [50, 99]) * 1000
        batch = cell.rows / cell.executions if cell.executions else 0.0
        asked = "face" if door == "classification" else "photo"
        speed = f"{statistics.median(cell.per_s):.1f} | {p50:.0f} ms | {p99:.0f} ms"
        lines.append(f"| {asked} | {callers} | {name} | {speed} | {batch:.2f} |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description="The embedded backend beside Triton.")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--requests", type=int, default=100, help="for each cell and round")
    parser.add_argument("--write", type=Path, help="put the result between this file's backends markers")
    parser.add_argument("--most-callers", type=int, default=max(CALLERS), help="leave out larger crowds")
    options = parser.parse_args()
    cells = measure(ROOT / "model_repository", options.rounds, options.requests, options.most_callers)
    text = table(cells, options.rounds, options.requests)
    page.publish(text, "backends", options.write)


if __name__ == "__main__":
    main()

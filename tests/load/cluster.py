"""Images a second of `mien classify`'s two engines, on this machine: connections to one gateway, and a Ray cluster.

    python -m tests.load.cluster [--images 400] [--rounds 3] [--into docs/batch.md]

The pictures are the committed statues. The engines take turns, so that a machine that slows down slows both. The time
of Ray is from the first block to the last answer: the start of the workers counts, that of the cluster does not.
"""

from __future__ import annotations

import statistics
import tempfile
import threading
from pathlib import Path

from rich.console import Console

from mien.batch.cluster import Cluster, Plan
from mien.batch.engine import Engine
from mien.batch.progress import Lines
from mien.batch.run import Order, run
from mien.batch.sources import listing
from mien.batch.worker import Help
from tests.conftest import encoded, statue
from tests.load import page
from tests.stack import running

SAY = Console(stderr=True, highlight=False)
WORKERS = 2


def images_per_s(photos: Path, gateways: list[str], engine: Engine | None) -> float:
    """Of one run from nothing to the table."""
    with tempfile.TemporaryDirectory() as folder:
        order = Order(Path(folder) / "results.parquet", gateways)
        outcome = run(order, listing([str(photos)]), Lines(SAY), threading.Event(), engine)
    assert outcome is not None
    assert not outcome.tally.errors
    return outcome.asked / outcome.seconds


def measured(photos: Path, images: int, rounds: int) -> str:
    """The page's text."""
    stream, ray = [], []
    for number in range(rounds):
        with running("all") as stack:
            stream.append(images_per_s(photos, [stack.address()], None))
        with Cluster(Plan("", WORKERS, 1000, Help([], 1, 60.0, {}))) as cluster:
            ray.append(images_per_s(photos, [], cluster))
        page.say(f"round {number + 1} of {rounds}: client {stream[-1]:.1f}/s, Ray {ray[-1]:.1f}/s")
    rows = {"one gateway, one connection": stream, f"Ray, {WORKERS} workers with models": ray}
    lines = [(name, f"{statistics.median(each):.1f} ({min(each):.1f}–{max(each):.1f})") for name, each in rows.items()]
    head = f"{page.machine()}, {rounds} rounds of {images} pictures of one head:"
    return f"{head}\n\n{page.table(lines, ('engine', 'images/s'))}"


def main() -> None:
    asked = page.options("The client beside Ray.", 400, "pictures in each round", rounds=3)
    with tempfile.TemporaryDirectory() as folder:
        for number in range(asked.images):
            (Path(folder) / f"{number:06}.jpg").write_bytes(encoded(statue(number)))
        page.publish(measured(Path(folder), asked.images, asked.rounds), "cluster", asked.into)


if __name__ == "__main__":
    main()

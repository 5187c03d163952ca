"""Images a second of `mien classify`'s two engines, on this machine: connections to one gateway, and a Ray cluster.

    python -m tests.load.cluster [--images 400] [--workers 2] [--rounds 3]

The pictures are the committed statues. The engines take turns, so that a machine that slows down slows both. The time
of Ray is from the first block to the last answer: the start of the workers counts, that of the cluster does not.
"""

from __future__ import annotations

import argparse
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
from tests.stack import running

SAY = Console(stderr=True, highlight=False)


def images_per_s(photos: Path, gateways: list[str], engine: Engine | None) -> float:
    """Of one run from nothing to the table."""
    with tempfile.TemporaryDirectory() as folder:
        order = Order(Path(folder) / "results.parquet", gateways)
        outcome = run(order, listing([str(photos)]), Lines(SAY), threading.Event(), engine)
    assert outcome is not None
    assert not outcome.tally.errors
    return outcome.asked / outcome.seconds


def measured(photos: Path, workers: int, rounds: int) -> str:
    """The table, as Markdown."""
    stream, ray = [], []
    for _ in range(rounds):
        with running("all") as stack:
            stream.append(images_per_s(photos, [stack.address()], None))
        with Cluster(Plan("", workers, 1000, Help([], 1, 60.0, {}))) as cluster:
            ray.append(images_per_s(photos, [], cluster))
    rows = {"one gateway, one connection": stream, f"Ray, {workers} workers with models": ray}
    lines = [f"| {name} | {statistics.median(each):.1f} |" for name, each in rows.items()]
    return "\n".join(["| engine | images/s |", "|---|---|", *lines])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=400)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=3)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        for number in range(asked.images):
            (Path(folder) / f"{number:06}.jpg").write_bytes(encoded(statue(number)))
        Console().print(measured(Path(folder), asked.workers, asked.rounds), markup=False)


if __name__ == "__main__":
    main()

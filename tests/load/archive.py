"""A whole archive through `mien classify` and `mien serve all`, each a process of its own.

    python -m tests.load.archive [--images 10000] [--into docs/batch.md]

First all of it in one run, bad files among the good, while the memory of both processes is watched. Then the good files
alone: the first of them in chunks, each read by `mien classify` and by the bare pipeline in turn, so that a machine
that slows down slows both, and the others by `mien classify`, to compare all rows with the first run's. The time of a
chunk is that of the whole process, its start included.
"""

from __future__ import annotations

import os
import statistics
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

import pyarrow as pa

from mien import results
from tests.load import bare, page, photos
from tests.load.batch import classifying, finished, images_that_differ, warm
from tests.load.watch import Growth, answered, watching
from tests.stack import Stack, running

ROOT = Path(__file__).resolve().parents[2]
_MOST_ROUNDS, _LEAST_CHUNK, _MOST_IN_TURN = 10, 60, 2000


@dataclass(frozen=True, slots=True)
class Whole:
    """The run over all files."""

    table: pa.Table
    seconds: float
    client: Growth
    server: Growth


@dataclass(frozen=True, slots=True)
class Chunk:
    """One round over the same files, all of them good."""

    table: pa.Table
    images: int
    client_s: float
    bare_s: float


def read_whole(folder: Path, images: int, target: Path, server: Stack) -> Whole:
    """One run; memory from the tenth part of it on."""
    begun, before = time.monotonic(), answered(server)
    with classifying(folder, target, server.address()) as client:
        with watching(server, {"client": client.pid, "server": server.process.pid}) as log:
            page.say(finished(client).strip())
        seconds = time.monotonic() - begun
    warmed = before + images // 10
    growths = (log.growth(name, after_items=warmed) for name in ("client", "server"))
    return Whole(results.read([target]), seconds, *growths)


def read(names: Sequence[str], folder: Path, work: Path, server: Stack) -> tuple[pa.Table, float]:
    """`mien classify` on some of the files: the table, and the seconds of the whole process."""
    links = Path(tempfile.mkdtemp(dir=work))
    for name in names:
        os.link(folder / name, links / name)
    target = links.with_suffix(".parquet")
    begun = time.monotonic()
    with classifying(links, target, server.address()) as client:
        finished(client)
    return results.read([target]), time.monotonic() - begun


def read_chunks(names: Sequence[str], folder: Path, work: Path, server: Stack) -> list[Chunk]:
    """`mien classify` and the bare pipeline in turn, on each chunk."""
    rounds = max(1, min(_MOST_ROUNDS, len(names) // _LEAST_CHUNK))
    pipeline = bare.best(ROOT / "model_repository", [(folder / name).read_bytes() for name in names[:_LEAST_CHUNK]])
    page.say(f"bare pipeline: {pipeline.threads} threads x {pipeline.intra} in the model")
    chunks = []
    for number in range(rounds):
        some = names[len(names) * number // rounds : len(names) * (number + 1) // rounds]
        data = [(folder / name).read_bytes() for name in some]
        table, client_s = read(some, folder, work, server)
        bare_s, _ = pipeline.run(data)
        chunks.append(Chunk(table, len(some), client_s, bare_s))
        page.say(f"round {number + 1} of {rounds}: {len(some) / client_s:.1f}/s, bare {len(some) / bare_s:.1f}/s")
    return chunks


def verdicts(table: pa.Table, names: Sequence[str], codes: Mapping[str, str], good: pa.Table) -> list[tuple[str, str]]:
    """What must be so, and how often it is not."""
    order = [name for name, _ in groupby(table["image"].to_pylist())]
    wrong = {row["image"]: row["error_code"] for row in table.to_pylist() if row["status"] == results.ERROR}
    failed = sum(row["status"] == results.ERROR for row in table.to_pylist())
    without = table.filter(pa.array([name not in codes for name in table["image"].to_pylist()]))
    in_order = "the files'" if order == list(names) else "**not the files'**"
    expected = f"{len(codes):,} bad files in {len(photos.BAD)} ways: {failed:,} rows with an error, "
    expected += "each with the code of its way" if wrong == codes and failed == len(codes) else "**not those expected**"
    differ = images_that_differ(without, good)
    return [
        ("order of the rows", in_order),
        ("bad files", expected),
        ("rows of the others against a run without the bad files", f"{differ:,} of {len(names) - len(codes):,} differ"),
    ]


def measure(images: int, work: Path) -> str:
    """The page's text."""
    folder = work / "archive"
    page.say(f"writing {images:,} files")
    codes = photos.write(folder, images)
    names = sorted(path.name for path in folder.iterdir())
    with running("all", ready_within_s=240) as server:
        warm(server)
        whole = read_whole(folder, images, work / "whole.parquet", server)
        good = [name for name in names if name not in codes]
        chunks = read_chunks(good[:_MOST_IN_TURN], folder, work, server)
        tables = [chunk.table for chunk in chunks]
        if others := good[_MOST_IN_TURN:]:
            tables.append(read(others, folder, work, server)[0])
    ratios = [chunk.bare_s / chunk.client_s for chunk in chunks]
    per_s = statistics.median(chunk.images / chunk.bare_s for chunk in chunks)
    spread = f"{len(chunks)} rounds of {chunks[0].images:,} images, {min(ratios):.2f}–{max(ratios):.2f}"
    rows = [
        (
            "`mien classify` to `mien serve all`",
            f"{images / whole.seconds:.1f} images/s, {whole.seconds:,.0f} s in all",
        ),
        ("bare pipeline in one process", f"{per_s:.1f} images/s"),
        ("`mien classify` ÷ bare pipeline, in turn", f"**{statistics.median(ratios):.2f}** ({spread})"),
        *(
            (f"memory of the {name}, after a tenth → at the end", f"{grew}, {grew.slope:+.1f} MiB per 1,000 images")
            for name, grew in (("client", whole.client), ("server", whole.server))
        ),
        *verdicts(whole.table, names, codes, pa.concat_tables(tables)),
    ]
    head = f"{page.machine()}, {images:,} photos of {photos.SIZE_PX[0]} x {photos.SIZE_PX[1]} pixels, a head on each:"
    return f"{head}\n\n{page.table(rows)}"


def main() -> None:
    options = page.options("A whole archive into one table.", 10_000, "files, one in a hundred of them bad")
    with tempfile.TemporaryDirectory() as work:
        page.publish(measure(options.images, Path(work)), "archive", options.into)


if __name__ == "__main__":
    main()

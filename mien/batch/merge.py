"""Parts → one table, sorted by image and face: the same bytes whatever came first and wherever a part ended."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from functools import lru_cache
from itertools import accumulate
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from mien import results
from mien.files import replaced

ROWS = 8192  # of a row group, and in memory at once
_OPEN_PARTS = 32  # images are asked about nearly in order, so that a stretch of the table lies in few parts


def merge(parts: Sequence[Path], target: Path) -> None:
    """Write the table of all parts; whoever opens `target` sees the old one or all of the new one."""
    with replaced(target) as aside:
        if target.suffix == ".parquet":
            _write_parquet(_stretches(parts), aside)
        else:
            _write_text(_stretches(parts), aside, target.suffix)


def _stretches(parts: Sequence[Path]) -> Iterator[pa.Table]:
    """The sorted table, `ROWS` at a time."""
    keys = [pq.ParquetFile(path).read(["image", "face"]).replace_schema_metadata(None) for path in parts]
    starts = [0, *accumulate(table.num_rows for table in keys)]
    order = pc.sort_indices(pa.concat_tables(keys), sort_keys=[("image", "ascending"), ("face", "ascending")])

    @lru_cache(maxsize=_OPEN_PARTS)
    def part(number: int) -> pa.Table:
        return pq.ParquetFile(parts[number]).read(results.SCHEMA.names).cast(results.SCHEMA)

    for first in range(0, len(order), ROWS):
        picked: dict[int, list[int]] = {}  # part → its rows that are needed
        places = []  # of each row of the stretch: part, place among those picked from it
        for row in order.slice(first, ROWS).to_pylist():
            home = bisect_right(starts, row) - 1
            rows = picked.setdefault(home, [])
            places.append((home, len(rows)))
            rows.append(row - starts[home])
        begins = dict(zip(picked, accumulate(map(len, picked.values()), initial=0), strict=False))
        pieces = pa.concat_tables([part(number).take(rows) for number, rows in picked.items()])
        yield pieces.take([begins[home] + place for home, place in places]).combine_chunks()


def _write_parquet(stretches: Iterator[pa.Table], path: Path) -> None:
    with pq.ParquetWriter(path, results.SCHEMA, compression="zstd") as writer:
        for stretch in stretches:
            writer.write_table(stretch, row_group_size=ROWS)


def _write_text(stretches: Iterator[pa.Table], path: Path, suffix: str) -> None:
    """Each stretch as `results` writes it, one behind the other under one heading."""
    piece = path.with_name(path.name + suffix)
    try:
        with path.open("wb") as whole:
            for number, stretch in enumerate(stretches):
                results.write(stretch, piece)
                with piece.open("rb") as lines:
                    if number and suffix == ".csv":
                        lines.readline()
                    while block := lines.read(1 << 20):
                        whole.write(block)
    finally:
        piece.unlink(missing_ok=True)

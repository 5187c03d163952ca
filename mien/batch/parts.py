"""Results on disk while a run goes on: Parquet files of so many images each, whole from the moment they have a name.

Each part also remembers, in its schema's metadata, which files it holds and their size and time: rows and this
knowledge appear in one rename.
"""

from __future__ import annotations

import json
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from mien import results
from mien.batch.sources import Photo
from mien.files import replaced

Row = dict[str, Any]

_FILES = b"mien.files"


@dataclass(frozen=True, slots=True)
class Answer:
    """Everything that will stand in the table about one photo."""

    photo: Photo
    rows: Sequence[Row]


@dataclass(slots=True)
class Tally:
    """What was counted: images that have an answer, faces, and images without a result by their code."""

    images: int = 0
    faces: int = 0
    errors: Counter[str] = field(default_factory=Counter)

    def add(self, rows: Sequence[Row]) -> None:
        """Count one image's rows."""
        self.images += 1
        for row in rows:
            self.faces += row["status"] == results.OK
            if row["status"] == results.ERROR:
                self.errors[row["error_code"]] += 1


class Parts:
    """The parts in `folder`; `images` to a part."""

    def __init__(self, folder: Path, images: int) -> None:
        self._folder, self._images = folder, images
        self._buffer: list[Answer] = []
        self._next = max((int(path.stem) for path in self.paths()), default=-1) + 1

    def paths(self) -> list[Path]:
        """Every whole part."""
        return sorted(self._folder.glob("[0-9]*.parquet"))

    def stamps(self) -> Iterator[tuple[str, tuple[int, int]]]:
        """Each image that has its answer on disk: id, and the size and time that its file had."""
        for path in self.paths():
            for name, size, mtime_ns in json.loads(pq.read_schema(path).metadata[_FILES]):
                yield name, (size, mtime_ns)

    def tally(self) -> Tally:
        """What the parts on disk hold."""
        tally = Tally()
        for path in self.paths():
            tally.images += len(json.loads(pq.read_schema(path).metadata[_FILES]))
            columns = pq.ParquetFile(path).read(["status", "error_code"])
            for status, code in zip(columns["status"].to_pylist(), columns["error_code"].to_pylist(), strict=True):
                tally.faces += status == results.OK
                if status == results.ERROR:
                    tally.errors[code] += 1
        return tally

    def add(self, answer: Answer) -> None:
        """Keep an answer; a full part goes to the disk."""
        self._buffer.append(answer)
        if len(self._buffer) >= self._images:
            self.flush()

    def flush(self) -> None:
        """Write what is there, if only part of a part."""
        if not self._buffer:
            return
        self._buffer.sort(key=lambda answer: answer.photo.id)
        rows = [row for answer in self._buffer for row in answer.rows]
        self._write(results.table_of(rows), [answer.photo for answer in self._buffer])
        self._buffer.clear()

    def adopt(self, table: pa.Table, photos: Sequence[Photo]) -> None:
        """Take over a finished table, which holds exactly these photos; both are sorted by image."""
        images, first = table["image"].to_pylist(), 0
        for begin in range(0, len(photos), self._images):
            some = photos[begin : begin + self._images]
            end = bisect_right(images, some[-1].id)
            self._write(table.slice(first, end - first), some)
            first = end

    def _write(self, table: pa.Table, photos: Iterable[Photo]) -> None:
        files = [(photo.id, photo.size_bytes, photo.mtime_ns) for photo in photos]
        with replaced(self._folder / f"{self._next:06}.parquet") as aside:
            pq.write_table(table.replace_schema_metadata({_FILES: json.dumps(files)}), aside)
        self._next += 1

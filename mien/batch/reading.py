"""A photo's bytes, from its file or out of its shard or table."""

from __future__ import annotations

import gzip
import os
import shutil
import tempfile
import threading
import zlib
from bisect import bisect_right
from collections import OrderedDict
from itertools import accumulate
from pathlib import Path
from typing import BinaryIO, Protocol

import pyarrow as pa
import pyarrow.parquet as pq

from mien.batch.sources import Photo, is_gzip

_OPEN_SHARDS = 4  # photos come in the listing's order, so that a few are enough


class Reader(Protocol):
    """Reads photos; called from several threads."""

    def __call__(self, photo: Photo) -> bytes:
        """The file's bytes.

        Raises:
            OSError: it cannot be read.
        """


class Files:
    """Reads files and shards. A compressed shard is unpacked into a nameless file in `scratch` while it is in use:
    inside gzip there is no way back."""

    def __init__(self, scratch: Path) -> None:
        self._scratch = scratch
        self._shards: OrderedDict[str, BinaryIO] = OrderedDict()
        self._table: _Table | None = None
        self._lock = threading.Lock()

    def __call__(self, photo: Photo) -> bytes:
        if photo.row >= 0:
            with self._lock:
                return self._of_table(photo)
        if photo.offset_bytes < 0:
            return Path(photo.path).read_bytes()
        with self._lock:
            data = os.pread(self._shard(photo.path).fileno(), photo.size_bytes, photo.offset_bytes)
        if len(data) < photo.size_bytes:
            raise OSError(None, "the shard ends before it")
        return data

    def close(self) -> None:
        with self._lock:
            while self._shards:
                self._shards.popitem()[1].close()
            if self._table:
                self._table.close()
                self._table = None

    def _of_table(self, photo: Photo) -> bytes:
        try:
            if self._table is None or self._table.path != photo.path:
                self._table = _Table(photo.path)
            data = self._table.image(photo.row)
        except (pa.ArrowException, IndexError) as error:
            raise OSError(None, f"the table is damaged: {str(error).splitlines()[0]}") from None
        if data is None:
            raise OSError(None, "its row holds no picture")
        return data

    def _shard(self, path: str) -> BinaryIO:
        if path not in self._shards:
            self._shards[path] = self._opened(path)
            if len(self._shards) > _OPEN_SHARDS:
                self._shards.popitem(last=False)[1].close()
        self._shards.move_to_end(path)
        return self._shards[path]

    def _opened(self, path: str) -> BinaryIO:
        if not is_gzip(path):
            return Path(path).open("rb")
        unpacked = tempfile.TemporaryFile(dir=self._scratch)  # noqa: SIM115 - closed when no longer in use
        try:
            with gzip.open(path) as packed:
                shutil.copyfileobj(packed, unpacked, 1 << 20)
            unpacked.flush()
        except (EOFError, zlib.error) as error:
            raise OSError(None, f"the shard cannot be unpacked: {error}") from None
        return unpacked


class _Table:
    """Reads pictures out of a Parquet file, a row group at a time: rows come in the file's order."""

    def __init__(self, path: str) -> None:
        self.path, self._file = path, pq.ParquetFile(path)
        metadata = self._file.metadata
        rows = (metadata.row_group(group).num_rows for group in range(metadata.num_row_groups))
        self._starts = list(accumulate(rows, initial=0))  # the first row of each group
        self._group, self._images = -1, pa.chunked_array([pa.array([], pa.binary())])

    def image(self, row: int) -> bytes | None:
        """The bytes in the column `image`."""
        group = bisect_right(self._starts, row) - 1
        if group != self._group:
            self._images = self._file.read_row_group(group, columns=["image"])["image"]
            self._group = group
        data: bytes | None = self._images[row - self._starts[group]].as_py()
        return data

    def close(self) -> None:
        self._file.close()

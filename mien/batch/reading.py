"""A photo's bytes, from its file or out of its shard."""

from __future__ import annotations

import gzip
import os
import shutil
import tempfile
import threading
import zlib
from collections import OrderedDict
from pathlib import Path
from typing import BinaryIO, Protocol

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
        self._lock = threading.Lock()

    def __call__(self, photo: Photo) -> bytes:
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

"""Files that are there whole or not at all, whenever the process or the machine dies."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ASIDE = ".aside"  # the suffix of what was not finished


@contextmanager
def replaced(path: Path) -> Iterator[Path]:
    """A name to write to; when the block ends well, the file is on the disk and has taken `path`'s place."""
    aside = path.with_name(path.name + ASIDE)
    try:
        yield aside
        _sync(aside)
        aside.replace(path)
        _sync(path.parent)
    finally:
        aside.unlink(missing_ok=True)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)

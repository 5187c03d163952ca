"""The real `mien classify FOLDER --to TABLE` as a process of its own; its progress goes to this command's."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa

from mien.client import Client
from tests.load.photos import photo
from tests.stack import Stack


@contextmanager
def classifying(photos: Path, target: Path, address: str, *more: str) -> Iterator[subprocess.Popen[str]]:
    """On its way; killed where the block ends before it."""
    arguments = [str(photos), "--to", str(target), "--gateway", address, *more]
    command = [sys.executable, "-m", "mien.cli", "classify", *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


def finished(process: subprocess.Popen[str]) -> str:
    """Its last sentence.

    Raises:
        RuntimeError: it ended in another way.
    """
    said, _ = process.communicate()
    if process.returncode:
        raise RuntimeError(f"mien classify ended with status {process.returncode}")
    return said


def warm(server: Stack, images: int = 40) -> None:
    """Let a server read pictures on a stream, as a run does."""
    with Client(server.address()) as client:
        for _ in client.classify_stream((str(number), photo(number)) for number in range(images)):
            pass


def images_that_differ(one: pa.Table, other: pa.Table) -> int:
    """How many images have not the same rows in both, every value compared exactly."""
    rows: list[dict[str, list[object]]] = [{}, {}]
    for table, by_image in zip((one, other), rows, strict=True):
        for row in table.to_pylist():
            by_image.setdefault(row["image"], []).append(row)
    return sum(rows[0].get(image) != rows[1].get(image) for image in rows[0].keys() | rows[1].keys())

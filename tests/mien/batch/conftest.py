"""Small photos and the batch client, in this process and as a process of its own."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from mien.batch import links
from mien.batch.progress import Lines
from mien.batch.run import Order, Outcome, run
from mien.batch.sources import listing
from tests.mien.batch.fake_gateway import Gateway

Batch = Callable[..., Outcome | None]


@pytest.fixture(autouse=True)
def _hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(links, "_BACKOFF_S", (0.02, 0.1))


@pytest.fixture
def gateway() -> Iterator[Gateway]:
    with Gateway() as started:
        yield started


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """A folder of 40 photos, in two folders of their own."""
    return write_photos(tmp_path / "photos", 40)


@pytest.fixture
def batch(gateway: Gateway, photos: Path, tmp_path: Path) -> Batch:
    """Run the batch client in this process; what is not given is the fixtures'."""

    def started(*paths: Path, stopping: threading.Event | None = None, **wishes: object) -> Outcome | None:
        usual = Order(tmp_path / "results.parquet", [gateway.address], part_images=7, patience_s=5.0)
        order = replace(usual, **wishes)  # type: ignore[arg-type]
        inputs = listing([str(path) for path in paths or [photos]])
        return run(order, inputs, Lines(Console(quiet=True)), stopping or threading.Event())

    return started


def write_photos(folder: Path, count: int) -> Path:
    for number in range(count):
        photo = folder / ("odd" if number % 2 else "even") / f"{number:03}.jpg"
        photo.parent.mkdir(parents=True, exist_ok=True)
        photo.write_bytes(b"photo %d" % number)
    return folder


def command(photos: Path, target: Path, gateway: Gateway, *more: str) -> subprocess.Popen[str]:
    """`mien classify` on its way, with small parts."""
    arguments = [str(photos), "--to", str(target), "--gateway", gateway.address, "--part", "5", "--patience", "20"]
    return subprocess.Popen(
        [sys.executable, "-m", "mien.cli", "classify", *arguments, *more],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )

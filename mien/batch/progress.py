"""How far a batch is: a bar on a terminal, elsewhere a line now and then."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from mien.batch.parts import Tally

LINE_EVERY_S = 10.0


class Show(Protocol):
    """Is told how far the run is."""

    def begin(self, images: int, tally: Tally) -> None:
        """So many images in all, and what earlier runs have done of them."""

    def update(self, tally: Tally) -> None:
        """Called often."""


class _Pace:
    """Images a second since this run began."""

    def __init__(self, images: int, done: int) -> None:
        self.images, self._done, self._begun_s = images, done, time.monotonic()

    def per_s(self, tally: Tally) -> float:
        return (tally.images - self._done) / max(time.monotonic() - self._begun_s, 1e-3)


class Lines:
    """One line every ten seconds, for logs."""

    def __init__(self, console: Console) -> None:
        self._console, self._pace, self._said_s = console, _Pace(0, 0), time.monotonic()

    def begin(self, images: int, tally: Tally) -> None:
        self._pace = _Pace(images, tally.images)
        if tally.images:
            self._print(f"{tally.images:,} of {images:,} images have their answer already")

    def update(self, tally: Tally) -> None:
        if time.monotonic() - self._said_s < LINE_EVERY_S:
            return
        self._said_s = time.monotonic()
        pace = self._pace.per_s(tally)
        left = f", {(self._pace.images - tally.images) / pace:,.0f} s left" if pace else ""
        self._print(f"{tally.images:,} of {self._pace.images:,} images, {pace:.1f} images/s, {_found(tally)}{left}")

    def _print(self, line: str) -> None:
        self._console.print(line, markup=False, soft_wrap=True)


class Bar:
    """A bar that moves."""

    def __init__(self, progress: Progress) -> None:
        self._progress, self._pace = progress, _Pace(0, 0)
        self._task = progress.add_task("", total=None, said="")

    def begin(self, images: int, tally: Tally) -> None:
        self._pace = _Pace(images, tally.images)
        self._progress.reset(self._task, total=images, completed=tally.images)

    def update(self, tally: Tally) -> None:
        said = f"{self._pace.per_s(tally):.1f} images/s, {_found(tally)}"
        self._progress.update(self._task, completed=tally.images, said=said)


@contextmanager
def shown(console: Console) -> Iterator[Show]:
    """What suits this console, until the block ends."""
    if not console.is_terminal:
        yield Lines(console)
        return
    columns = (BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[said]}"), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True) as progress:
        yield Bar(progress)


def summary(tally: Tally, asked: int, seconds: float) -> str:
    """One line on what the table holds and how fast this run was."""
    by_code = "".join(f" {code} {count:,}" for code, count in sorted(tally.errors.items()))
    errors = f"{tally.errors.total():,} errors" + (f" ({by_code.strip()})" if by_code else "")
    return f"{tally.images:,} images, {tally.faces:,} faces, {errors}, {asked / max(seconds, 1e-3):.1f} images/s"


def _found(tally: Tally) -> str:
    return f"{tally.faces:,} faces, {tally.errors.total():,} errors"

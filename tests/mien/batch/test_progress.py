"""What is said while a batch runs."""

from __future__ import annotations

import io
from collections import Counter

import pytest
from rich.console import Console

from mien.batch import progress
from mien.batch.parts import Tally


def test_a_log_gets_a_line_now_and_then(monkeypatch: pytest.MonkeyPatch) -> None:
    written = io.StringIO()
    now = iter(range(0, 1000, 4))
    monkeypatch.setattr(progress.time, "monotonic", lambda: float(next(now)))
    with progress.shown(Console(file=written, width=200)) as show:
        show.begin(2000, Tally(1000))
        for images in range(1000, 1500, 100):
            show.update(Tally(images, 7, Counter(internal=2)))
    first, second, *_ = written.getvalue().splitlines()
    assert first == "1,000 of 2,000 images have their answer already"
    assert "of 2,000 images, " in second
    assert "images/s, 7 faces, 2 errors, " in second
    assert second.endswith(" s left")
    assert len(written.getvalue().splitlines()) < 6


def test_a_terminal_gets_a_bar() -> None:
    written = io.StringIO()
    with progress.shown(Console(file=written, force_terminal=True, width=120)) as show:
        show.begin(10, Tally(2))
        show.update(Tally(5, 3, Counter()))
    assert "5/10" in written.getvalue()
    assert "3 faces, 0 errors" in written.getvalue()

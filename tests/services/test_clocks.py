"""A clock that jumps changes nothing: what waits, measures or expires reads a clock that cannot."""

from __future__ import annotations

import ast
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
_TIME_OF_DAY = {("time", "time"), ("datetime", "now"), ("datetime", "utcnow"), ("datetime", "today")}
# What says when something was written, or until which day a key is good; never how long anything may take.
_MAY = {"mien/report/write.py", "services/chassis/keyring.py"}


def reads_of_the_time_of_day(path: Path) -> list[int]:
    """Lines."""
    return [
        node.lineno
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Attribute)
        and isinstance(node.value, ast.Name)
        and (node.value.id, node.attr) in _TIME_OF_DAY
    ]


def test_nothing_that_serves_or_asks_reads_the_time_of_day() -> None:
    paths = [path for room in ("services", "mien") for path in (ROOT / room).rglob("*.py")]
    found = {str(path.relative_to(ROOT)): reads_of_the_time_of_day(path) for path in paths}
    assert {name: lines for name, lines in found.items() if lines and name not in _MAY} == {}


def test_the_search_finds_what_it_is_for(tmp_path: Path) -> None:
    path = tmp_path / "one.py"
    path.write_text("import time\nuntil = time.monotonic() + 5\nlate = time.time() > 5\n")
    assert reads_of_the_time_of_day(path) == [3]

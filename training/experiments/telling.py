"""Numbers as text, and tables of scores: the same in every experiment."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from training.data.faces import EXPRESSIONS
from training.experiments.intervals import Interval, Scores
from training.experiments.outcome import Table
from training.report import percent, span

CLASSES = (
    "Per cent, 95 % bootstrap intervals in brackets. Micro: share of all faces that are right; macro: mean of the "
)
CLASSES += "expressions' recalls. An expression without faces has no recall (–), never 1."


def ranged(value: Interval) -> str:
    """`82.3 (80.1 – 84.5)`, per cent."""
    return f"{percent(value.value)} ({span((value.low, value.high))})"


def points(value: Interval) -> str:
    """`+2.3 (−0.4 – +5.1)`, percentage points."""
    one, low, high = (f"{100 * each:+.1f}".replace("-", "−") for each in (value.value, value.low, value.high))
    return f"{one} ({low} to {high})"


def by_class(
    title: str, columns: Mapping[str, Scores], paper: Mapping[str, Mapping[str, str]] | None = None, note: str = ""
) -> Table:
    """A column for each classifier or set, and the paper's columns beside.

    Args:
        paper: column's name → row's name → what the paper says.
    """
    published = paper or {}
    lines: list[tuple[str, list[str]]] = [
        ("faces", [f"{each.rows:,}" for each in columns.values()]),
        ("micro (accuracy)", [ranged(each.micro) for each in columns.values()]),
        ("macro (mean recall)", [ranged(each.macro) for each in columns.values()]),
        ("macro F1", [percent(each.macro_f1) for each in columns.values()]),
    ]
    for at, name in enumerate(EXPRESSIONS):
        cells = [f"{percent(e.recalls[at])} of {e.supports[at]:,}" if e.supports[at] else "–" for e in columns.values()]
        lines.append((name, cells))
    rows = [[name, *cells, *(each.get(name, "") for each in published.values())] for name, cells in lines]
    heads = ["", *columns, *(f"paper: {name}" for name in published)]
    return Table(title, heads, rows, f"{CLASSES} {note}".strip())


def one_line_each(title: str, rows: Mapping[str, Scores], note: str = "") -> Table:
    """A row for each classifier: micro, macro, and every recall."""
    head = ["", "faces", "micro", "macro", "macro F1", *EXPRESSIONS]
    lines = [
        [name, f"{e.rows:,}", ranged(e.micro), ranged(e.macro), percent(e.macro_f1), *map(percent, e.recalls)]
        for name, e in rows.items()
    ]
    return Table(title, head, lines, f"{CLASSES} {note}".strip())


def listed(names: Sequence[str]) -> str:
    """`a, b and c`."""
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"

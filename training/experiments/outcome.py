"""What an experiment leaves: sentences that follow from its numbers, tables, pictures, and data for programs.

<folder>/result.json   everything but the pictures, with fingerprint, seed, time and counts; written last
<folder>/table.md, table.tex, <picture>.svg or .png
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

_TEX = {"%": r"\%", "&": r"\&", "_": r"\_", "#": r"\#", "–": "--", "−": "$-$", "γ": r"$\gamma$", "α": r"$\alpha$",
        "κ": r"$\kappa$", "≤": r"$\le$", "≥": r"$\ge$", "×": r"$\times$", "'": "'"}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Table:
    """`head` and `rows` are text; the first column names the row. `note` stands below it."""

    title: str
    head: Sequence[str]
    rows: Sequence[Sequence[str]]
    note: str = ""

    def markdown(self) -> str:
        lines = [f"**{self.title}**", "", f"| {' | '.join(self.head)} |", "|" + "---|" * len(self.head)]
        lines += [f"| {' | '.join(row)} |" for row in self.rows]
        return "\n".join([*lines, *(["", self.note] if self.note else [])]) + "\n"

    def latex(self) -> str:
        lines = [r"\begin{table}", rf"\caption{{{_tex(self.title)}. {_tex(self.note)}}}"]
        lines.append(rf"\begin{{tabular}}{{l{'r' * (len(self.head) - 1)}}}\hline")
        lines += [" & ".join(map(_tex, row)) + r" \\" for row in (self.head, *self.rows)]
        lines[3] += r"\hline"
        return "\n".join([*lines, r"\hline\end{tabular}", r"\end{table}"]) + "\n"


@dataclass(frozen=True, slots=True)
class Outcome:
    """`told`: sentences; `pictures`: files by name, with their bytes; `counts`: how many rows of what were used."""

    told: Sequence[str]
    tables: Sequence[Table]
    pictures: Mapping[str, bytes] = field(default_factory=dict)
    data: Mapping[str, Any] = field(default_factory=dict)
    counts: Mapping[str, int] = field(default_factory=dict)


def write(folder: Path, outcome: Outcome, facts: Mapping[str, Any]) -> None:
    """Write everything; `result.json` comes last, so that a killed run never leaves one without its files."""
    folder.mkdir(parents=True, exist_ok=True)
    record = folder / "result.json"
    record.unlink(missing_ok=True)
    for name, content in outcome.pictures.items():
        (folder / name).write_bytes(content)
    (folder / "table.md").write_text("\n".join(table.markdown() for table in outcome.tables))
    (folder / "table.tex").write_text("\n".join(table.latex() for table in outcome.tables))
    told = {
        **facts,
        "told": list(outcome.told),
        "counts": dict(outcome.counts),
        "tables": [asdict(table) for table in outcome.tables],
        "pictures": list(outcome.pictures),
        "data": outcome.data,
    }
    aside = record.with_suffix(".writing")
    aside.write_text(json.dumps(told, indent=2, default=_plain) + "\n")
    aside.replace(record)


def read(folder: Path) -> dict[str, Any] | None:
    """What `write` left, or None."""
    record = folder / "result.json"
    return json.loads(record.read_text()) if record.exists() else None


def _plain(value: Any) -> Any:
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, np.ndarray):
        return value.tolist()
    return asdict(value)


def _tex(text: str) -> str:
    return "".join(_TEX.get(letter, letter) for letter in text)

"""A landmarker's report: `landmarks.json` for programs, `landmarks.md` and `.html` for people, and its sheets."""

from __future__ import annotations

import html
import json
import math
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from training.config import Config
from training.report import wrap
from training.shape.evaluate import LIMIT, Evaluation

Table = tuple[str, list[str], list[list[str]]]


def write(folder: Path, config: Config, found: Evaluation, measured: str, sheets: Sequence[Path] = ()) -> Path:
    """Write all three and return the Markdown file's path.

    Args:
        measured: what was scored, in words.
        sheets: pictures that lie in `folder`; the page shows them.
    """
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "landmarks.json").write_text(json.dumps({"measured": measured} | plain(found), indent=2) + "\n")
    said, tables = sentences(found, measured), tables_of(found)
    markdown = folder / "landmarks.md"
    names = [sheet.name for sheet in sheets]
    blocks = [f"# {config.name}", *said, *(as_markdown(table) for table in tables), *(f"![{n}]({n})" for n in names)]
    markdown.write_text("\n\n".join(blocks) + "\n")
    body = [f"<h1>{html.escape(config.name)}</h1>", *(f"<p>{html.escape(text)}</p>" for text in said)]
    body += [as_html(table) for table in tables]
    body += [f'<p><img src="{html.escape(n)}" alt="{html.escape(n)}" style="max-width: 100%"></p>' for n in names]
    (folder / "landmarks.html").write_text(wrap(config.name, "\n".join(body)))
    return markdown


def plain(found: Evaluation) -> dict[str, Any]:
    """As JSON takes it: a score that does not exist is null."""

    def known(value: Any) -> Any:
        if isinstance(value, dict):
            return {name: known(item) for name, item in value.items()}
        if isinstance(value, (list, tuple)):
            return [known(item) for item in value]
        return None if isinstance(value, float) and not math.isfinite(value) else value

    return {name: known(value) for name, value in asdict(found).items()}


def summary(found: Evaluation) -> str:
    """One line for the command line."""
    return (
        f"Landmark error {_percent(found.landmarks.error)} % of the eye corners' distance within ±30° yaw, "
        f"action units r {_plain(found.correlation)}"
    )


def sentences(found: Evaluation, measured: str) -> list[str]:
    marks = found.landmarks
    return [
        f"Measured: {measured}, on {marks.heads:,} rendered heads of identities that were never trained on.",
        f"Landmarks, {marks.frontal:,} heads within ±30° yaw: mean error {_percent(marks.error)} % "
        f"({_percent(marks.interval[0])} – {_percent(marks.interval[1])}) of the distance of the outer eye corners, "
        f"median {_percent(marks.median)} %; {_percent(marks.failures)} % of the heads are over {100 * LIMIT:.0f} %; "
        f"area under the cumulative curve {_plain(marks.area)}. With squares displaced as a detector's: "
        f"{_percent(found.displaced_error)} %. All poses: {_percent(marks.box_error)} % of the square root of the "
        "box's area.",
        f"Action units: mean correlation {_plain(found.correlation)} ({_plain(found.correlation_interval[0])} – "
        f"{_plain(found.correlation_interval[1])}). Quality: rank correlation {_plain(found.quality)} with the "
        "negated error.",
        "Intervals are 95 %, bootstrap over identities. Rendered heads show what the renderer can make, not what a "
        "statue in a museum looks like.",
    ]


def tables_of(found: Evaluation) -> list[Table]:
    parts = [[name, _percent(value)] for name, value in found.landmarks.parts.items()]
    units = [
        [name, _plain(unit.correlation), f"{_plain(unit.interval[0])} – {_plain(unit.interval[1])}",
         _plain(unit.error, 3), _plain(unit.agreement)]
        for name, unit in found.units.items()
    ]  # fmt: skip
    curve = [[_percent(error), _percent(share)] for error, share in found.curve[::4]]
    tables: list[Table] = [
        ("Error by part, % of the eye corners' distance, within ±30° yaw", ["part", "error"], parts),
        ("Action units", ["unit", "r", "95 % of r", "mean absolute error", "ICC(3,1)"], units),
        ("Cumulative error", ["error up to, %", "heads, %"], curve),
    ]
    for kind, groups in found.groups.items():
        rows = [[name, f"{heads:,}", _percent(error), _plain(r)] for name, (heads, error, r) in groups.items()]
        tables.append((f"By {kind}", [kind, "heads", "error, % of √(box area)", "r of the units"], rows))
    return tables


def as_markdown(table: Table) -> str:
    title, head, rows = table
    lines = [f"| {' | '.join(row)} |" for row in (head, ["---"] * len(head), *rows)]
    return f"## {title}\n\n" + "\n".join(lines)


def as_html(table: Table) -> str:
    title, head, rows = table
    heads = "".join(f"<th>{html.escape(name)}</th>" for name in head)
    body = "".join("<tr>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in row) + "</tr>" for row in rows)
    return (
        f'<h2>{html.escape(title)}</h2><div class="wide"><table class="scores"><thead><tr>{heads}</tr></thead>'
        f"<tbody>{body}</tbody></table></div>"
    )


def _plain(value: float, digits: int = 2) -> str:
    return f"{value:.{digits}f}" if math.isfinite(value) else "–"


def _percent(value: float) -> str:
    return f"{100 * value:.2f}" if math.isfinite(value) else "–"

"""The results joined: `index.html` with every table and picture, and the part of a Markdown file between its markers.

Only drawn pictures (SVG) are laid beside the Markdown file, in a folder of its name: pictures of faces may show photos
that nobody may pass on.
"""

from __future__ import annotations

import html
import re
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from training.experiments import outcome
from training.experiments.outcome import Table
from training.experiments.registry import EXPERIMENTS
from training.report import wrap

START, END = "<!-- experiments -->", "<!-- /experiments -->"
NOT_YET = "Not run yet."


def write(to: Path, into: Path | None = None) -> Path:
    """Write the page, and the Markdown file's part, from the results that are there.

    Raises:
        ValueError: the Markdown file has no markers.
    """
    results = {name: outcome.read(to / name) for name in EXPERIMENTS}
    to.mkdir(parents=True, exist_ok=True)
    body = "".join(_section(name, result) for name, result in results.items())
    note = "Our numbers beside the paper's (arXiv 2105.04826). An expression shown is not an emotion felt."
    index = to / "index.html"
    index.write_text(wrap("Experiments", f'<h1>Experiments</h1><p class="quiet">{note}</p>{body}'))
    if into is not None:
        text = check(into)
        place = re.compile(f"{re.escape(START)}.*?{re.escape(END)}", re.DOTALL)
        parts = [_markdown(name, result, to, into) for name, result in results.items()]
        joined = f"{START}\n" + "\n".join(parts) + END
        into.write_text(place.sub(lambda _: joined, text))
    return index


def check(into: Path) -> str:
    """The Markdown file's text.

    Raises:
        FileNotFoundError: no such file. ValueError: it has no markers.
    """
    if not into.exists():
        raise FileNotFoundError(f"no file {into} to write the results into")
    text = into.read_text()
    if START not in text or END not in text:
        raise ValueError(f"{into} has no place for the results: put {START} and {END} where they should stand")
    return text


def _section(name: str, result: dict[str, Any] | None) -> str:
    if result is None:
        return f"<h2>{html.escape(name)}</h2><p>{NOT_YET}</p>"
    told = "".join(f"<p>{html.escape(sentence)}</p>" for sentence in result["told"])
    tables = "".join(_table(Table(**table)) for table in result["tables"])
    drawn = "".join(
        f'<p><img src="{name}/{picture}" alt="{html.escape(picture)}" style="max-width:100%"></p>'
        for picture in result["pictures"]
    )
    facts = f'<p class="quiet">{html.escape(_facts(result))}</p>'
    return f"<h2>{html.escape(result['title'])}</h2>{told}{tables}{drawn}{facts}"


def _facts(result: dict[str, Any]) -> str:
    counts = ", ".join(f"{count:,} {what}" for what, count in result["counts"].items())
    return (
        f"{counts or 'no pictures'}; configuration {result['configuration']}, seed {result['seed']}, "
        f"{result['wall_s']:.0f} s with what it had to train first, {result['cores']} cores, {result['created'][:10]}. "
        f"Command: {result['command']}"
    )


def _table(table: Table) -> str:
    def line(cells: Sequence[str], tag: str) -> str:
        return "<tr>" + "".join(f"<{tag}>{html.escape(cell)}</{tag}>" for cell in cells) + "</tr>"

    head, body = line(table.head, "th"), "".join(line(row, "td") for row in table.rows)
    return (
        f"<p><b>{html.escape(table.title)}</b></p>"
        f'<div class="wide"><table class="scores"><thead>{head}</thead><tbody>{body}</tbody></table></div>'
        f'<p class="quiet">{html.escape(table.note)}</p>'
    )


def _markdown(name: str, result: dict[str, Any] | None, to: Path, into: Path) -> str:
    if result is None:
        return f"### {name}\n\n{NOT_YET}\n"
    lines = [f"### {result['title']}", "", *(f"- {sentence}" for sentence in result["told"]), ""]
    lines += [Table(**table).markdown() for table in result["tables"]]
    for picture in result["pictures"]:
        if picture.endswith(".svg"):
            beside = into.with_suffix("") / f"{name}_{picture}"
            beside.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(to / name / picture, beside)
            lines.append(f"![{result['title']}]({into.stem}/{beside.name})\n")
    return "\n".join([*lines, f"{_facts(result)}\n"])

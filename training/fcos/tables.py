"""The detector's report: `detector.md` for the README, `detector.html` for people, `detector.json` for programs."""

from __future__ import annotations

import html
import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from training.fcos.evaluate import Score
from training.report import percent, wrap

HEADS = ("pictures", "faces", "finder", "from score", "recall", "false", "precision", "ms")
NOTE = (
    "The truth is YuNet's (≥ 0.8, over long sides of 160 to 1280 px); what it sees with 0.6 to 0.8 counts neither way. "
    "IoU ≥ 0.4 is found. False: false positives per picture. Precision: average precision. "
    "Milliseconds are wall time per picture."
)


def rows(scores: Sequence[Score]) -> list[tuple[str, ...]]:
    """The table without its heads, one row for each finder and album."""
    return [
        (
            f"{score.album} ({score.pictures})",
            str(score.faces),
            score.finder,
            f"{score.threshold:g}",
            percent(score.recall),
            f"{score.false_per_picture:.3f}",
            percent(score.average_precision),
            f"{score.ms:.1f}",
        )
        for score in scores
    ]


def markdown(scores: Sequence[Score]) -> str:
    """The table as Markdown."""
    lines = [f"| {' | '.join(HEADS)} |", "|" + "---|" * len(HEADS), *(f"| {' | '.join(row)} |" for row in rows(scores))]
    return "\n".join([*lines, "", NOTE]) + "\n"


def write(folder: Path, name: str, measured: str, scores: Sequence[Score]) -> Path:
    """Write the three files and return the page's path; a `detector.png` beside them is shown."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "detector.md").write_text(markdown(scores))
    record = {"name": name, "measured": measured, "scores": [asdict(score) for score in scores]}
    (folder / "detector.json").write_text(json.dumps(record, indent=2) + "\n")
    heads = "".join(f"<th>{head}</th>" for head in HEADS)
    body = "".join("<tr>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in row) + "</tr>" for row in rows(scores))
    picture = '<h2>Our boxes (green) and the teacher\'s (white)</h2><img src="detector.png" alt="" style="width:100%">'
    page = folder / "detector.html"
    page.write_text(
        wrap(
            name,
            f'<h1>{html.escape(name)}</h1><p class="quiet">Measured: {html.escape(measured)}. {NOTE}</p>'
            f'<div class="wide"><table class="scores"><thead><tr>{heads}</tr></thead>'
            f"<tbody>{body}</tbody></table></div>" + (picture if (folder / "detector.png").exists() else ""),
        )
    )
    return page

"""Several runs side by side, classifiers or generators, from what `mien evaluate` left: a Markdown table and a page."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from training.data.faces import EXPRESSIONS
from training.ganimation import comparison as generators
from training.report import percent, span, wrap


def read(folders: Sequence[Path]) -> list[dict[str, Any]]:
    """The reports of several run folders, in order.

    Raises:
        FileNotFoundError: a folder without a report.
        ValueError: no folder, or reports on different faces: their scores would not compare.
    """
    if not folders:
        raise ValueError("name at least one run to compare")
    reports = []
    for folder in folders:
        path = folder / "report.json"
        if not path.exists():
            raise FileNotFoundError(f"no report in {folder}: evaluate it first (mien evaluate CONFIG)")
        report = json.loads(path.read_text())
        statues = path.with_name("statues.json")
        found = json.loads(statues.read_text()) if statues.exists() else {}
        report["statues"], report["sizes"] = found.get("evaluation"), found.get("sizes", {})
        report["others"] = {
            other.stem.removeprefix("statues_"): json.loads(other.read_text())["evaluation"]
            for other in sorted(folder.glob("statues_*.json"))
        }
        report["name"] = folder.name
        reports.append(report)
    faces = {
        (r["config"]["data"]["source"], *(c["support"] for c in r["evaluation"]["classes"].values())) for r in reports
    }
    if len(faces) > 1:
        raise ValueError("these runs were evaluated on different faces, so their scores do not compare")
    return reports


def rows(reports: Sequence[dict[str, Any]]) -> list[list[str]]:
    """The table, heads first: one column per run, by its folder's name, one row per score."""
    scores = [report["evaluation"] for report in reports]
    table = [["", *(report["name"] for report in reports)]]
    table.append(["method", *(report["config"]["model"]["method"] for report in reports)])
    table.append(["accuracy", *(f"{percent(s['accuracy'])} ({span(s['accuracy_interval'])})" for s in scores)])
    table.append(["macro F1", *(f"{percent(s['macro_f1'])} ({span(s['macro_f1_interval'])})" for s in scores)])
    table.append(["mean recall", *(percent(s["macro_recall"]) for s in scores)])
    table.append(["calibration error", *(percent(s["calibrated_error"]) for s in scores)])
    table.append(["negative log-likelihood", *(f"{s['negative_log_likelihood']:.3f}" for s in scores)])
    for name in EXPRESSIONS:
        table.append([f"recall, {name}", *(percent(s["classes"][name]["recall"]) for s in scores)])
    statues = [report.get("statues") or {} for report in reports]
    if any(statues):
        table.append(["rendered statues: mean recall", *(percent(s.get("macro_recall")) for s in statues)])
        table.append(["rendered statues: calibration error", *(percent(s.get("calibration_error")) for s in statues)])
        for name in EXPRESSIONS:
            recalls = (percent(s["classes"][name]["recall"] if s else None) for s in statues)
            table.append([f"rendered statues: recall, {name}", *recalls])
        bands = [report.get("sizes") or {} for report in reports]
        for size in dict.fromkeys(name for band in bands for name in band):
            recalls = (percent(band[size]["macro_recall"] if size in band else None) for band in bands)
            table.append([f"rendered statues of {size}: mean recall", *recalls])
    others = [report.get("others") or {} for report in reports]
    for name in dict.fromkeys(name for other in others for name in other):
        for key, told in (("macro_recall", "mean recall"), ("calibration_error", "calibration error")):
            values = (percent(other[name][key] if name in other else None) for other in others)
            table.append([f"rendered statues of {name}: {told}", *values])
    return table


def markdown(table: Sequence[Sequence[str]]) -> str:
    """A table, heads first, as Markdown."""
    head, *body = [f"| {' | '.join(row)} |" for row in table]
    return "\n".join([head, "|" + "---|" * len(table[0]), *body]) + "\n"


def page(table: Sequence[Sequence[str]], note: str) -> str:
    """The table as a page."""
    head, *body = table
    cells = "".join("<tr>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in row) + "</tr>" for row in body)
    heads = "".join(f"<th>{html.escape(cell)}</th>" for cell in head)
    return wrap(
        "Runs compared",
        f'<h1>Runs compared</h1><p class="quiet">{html.escape(note)} Where intervals overlap, the order may be chance.'
        f'</p><h2>Scores</h2><div class="wide"><table class="scores"><thead><tr>{heads}</tr></thead>'
        f"<tbody>{cells}</tbody></table></div>",
    )


def write(folders: Sequence[Path], to: Path, into: Path | None = None) -> Path:
    """Write `comparison.md` and `comparison.html` into a folder and return the page's path.

    Args:
        into: a Markdown file whose lines between `<!-- model -->` and `<!-- /model -->` become the table.

    Raises:
        FileNotFoundError, ValueError: as `read`.
    """
    scores = [found for found in map(generators.scored, folders) if found is not None]
    if folders and len(scores) == len(folders):
        generators.check(scores)
        table = generators.rows(scores)
        note = f"{scores[0]['pairs']['faces']:,} pairs of rendered heads never trained on."
    else:
        reports = read(folders)
        table = rows(reports)
        faces, source = reports[0]["evaluation"]["rows"], reports[0]["config"]["data"]["source"]
        note = f"{faces:,} validation faces of {source}, per cent; in brackets the 95 % interval."
    to.mkdir(parents=True, exist_ok=True)
    (to / "comparison.md").write_text(markdown(table))
    (to / "comparison.html").write_text(page(table, note))
    if into is not None:
        place = re.compile(r"(<!-- model -->\n).*?(<!-- /model -->)", re.DOTALL)
        into.write_text(place.sub(lambda found: f"{found[1]}{markdown(table)}{found[2]}", into.read_text()))
    return to / "comparison.html"

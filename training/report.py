"""A run's report: `report.json` for programs and `report.html` for people, one page that needs no other file."""

from __future__ import annotations

import html
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from training import figures
from training.config import Config, as_dict
from training.data.faces import EXPRESSIONS
from training.evaluate import Evaluation

PEOPLE, STATUES = "report", "statues"
_FACES = {
    PEOPLE: "validation faces",
    STATUES: "rendered statues' faces, neutral or at an intensity of at least .55, cut by the landmarker; no head of "
    "them was trained on",
}
_CHOSEN = {
    PEOPLE: "The best epoch was chosen on these same faces, so the scores flatter a little.",
    STATUES: "Nothing was chosen on these faces, and the exported file's own temperature was fitted on others.",
}


def write(
    folder: Path,
    config: Config,
    evaluation: Evaluation,
    measured: str,
    epochs: Sequence[dict[str, Any]] = (),
    faces: str = PEOPLE,
    sizes: Mapping[str, Evaluation] | None = None,
) -> Path:
    """Write both files, `<faces>.json` and `<faces>.html`, and return the page's path.

    Args:
        faces: `PEOPLE` (validation), `STATUES` (a rendered test corpus) or `statues_<name>` (a further one).
        measured: what was scored, in words: a run's best epoch, or an exported file.
        epochs: the run's lines of `metrics.jsonl`; without any there is no training curve.
        sizes: the same scores of the faces of one size each, by its name.
    """
    folder.mkdir(parents=True, exist_ok=True)
    report = {
        "name": config.name,
        "measured": measured,
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "config": as_dict(config),
        "evaluation": asdict(evaluation),
        "sizes": {name: asdict(each) for name, each in (sizes or {}).items()},
    }
    (folder / f"{faces}.json").write_text(json.dumps(report, indent=2) + "\n")
    page = folder / f"{faces}.html"
    page.write_text(wrap(config.name, _body(config, evaluation, measured, epochs, faces, sizes or {})))
    return page


def wrap(title: str, body: str) -> str:
    """A whole page around a body, with the style sheet inside."""
    style = Path(__file__).with_name("page.css").read_text()
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{html.escape(title)}</title><style>\n{style}</style></head>\n<body>\n{body}\n</body></html>\n"
    )


def percent(value: float | None) -> str:
    """`0.8234` → `82.3`; a score that does not exist is a dash, never a number."""
    return "–" if value is None else f"{100 * value:.1f}"


def span(interval: Sequence[float]) -> str:
    """`(0.80, 0.84)` → `80.0 – 84.0`."""
    return f"{percent(interval[0])} – {percent(interval[1])}"


def _body(
    config: Config,
    scores: Evaluation,
    measured: str,
    epochs: Sequence[dict[str, Any]],
    faces: str,
    sizes: Mapping[str, Evaluation],
) -> str:
    data, train = config.data, config.train
    kind = PEOPLE if faces == PEOPLE else STATUES
    unscaled = f"{percent(scores.calibration_error)} before scaling"
    curves = f"<div><h2>Training</h2>{figures.training(epochs)}</div>" if epochs else ""
    return f"""<h1>{html.escape(config.name)}</h1>
<p class="quiet">{html.escape(config.model.method)} on {html.escape(data.source)}, {train.face_px} px,
{scores.rows:,} {_FACES[kind]}. Measured: {html.escape(measured)}.</p>
<div class="figures">
{_figure(percent(scores.accuracy) + " %", "accuracy", span(scores.accuracy_interval))}
{_figure(percent(scores.macro_f1) + " %", "macro F1", span(scores.macro_f1_interval))}
{_figure(percent(scores.macro_recall) + " %", "mean recall", "over expressions")}
{_figure(percent(scores.calibrated_error) + " %", "calibration error", unscaled)}
{_figure(f"{scores.negative_log_likelihood:.3f}", "negative log-likelihood", "nats per face")}
</div>
<h2>By expression</h2>
{_classes(scores)}
{_sizes(sizes) if sizes else ""}
<h2>What is taken for what</h2>
<p class="quiet">Rows: the annotators' majority. Columns: the answer. Per cent of the row.</p>
{_confusion(scores)}
<div class="pair">{curves}<div><h2>Reliability</h2>{figures.reliability(scores.reliability)}</div></div>
<p class="quiet">Intervals are 95 %: Wilson's for shares, bootstrap over faces for macro F1. The calibration error and
the reliability curve are after temperature scaling, measured on each half of the faces with the temperature of the
other half; a temperature of {scores.temperature:.3f} fits all of them. {_CHOSEN[kind]}
An expression shown is not an emotion felt.</p>"""


def _figure(value: str, name: str, note: str) -> str:
    return f"<div><b>{value}</b>{name}<span>{note}</span></div>"


def _classes(scores: Evaluation) -> str:
    rows = "".join(
        f"<tr><td>{name}</td><td>{c.support:,}</td><td>{percent(c.precision)}</td><td>{percent(c.recall)}</td>"
        f'<td class="quiet">{span(c.recall_interval) if c.support else "–"}</td><td>{percent(c.f1)}</td></tr>'
        for name, c in scores.classes.items()
    )
    heads = "".join(f"<th>{name}</th>" for name in ("", "faces", "precision", "recall", "95 % of recall", "F1"))
    return f'<div class="wide"><table class="scores"><thead><tr>{heads}</tr></thead><tbody>{rows}</tbody></table></div>'


def _sizes(sizes: Mapping[str, Evaluation]) -> str:
    rows = "".join(
        f"<tr><td>{html.escape(name)}</td><td>{each.rows:,}</td><td>{percent(each.accuracy)}</td>"
        f'<td class="quiet">{span(each.accuracy_interval)}</td><td>{percent(each.macro_recall)}</td></tr>'
        for name, each in sizes.items()
    )
    heads = "".join(f"<th>{name}</th>" for name in ("", "faces", "accuracy", "95 % of it", "mean recall"))
    table = f'<table class="scores"><thead><tr>{heads}</tr></thead><tbody>{rows}</tbody></table>'
    return f'<h2>By size of the face</h2><div class="wide">{table}</div>'


def _confusion(scores: Evaluation) -> str:
    heads = "".join(f"<th>{name}</th>" for name in EXPRESSIONS)
    rows = ""
    for name, counts in zip(EXPRESSIONS, scores.confusion, strict=True):
        rows += f"<tr><th>{name}</th>" + "".join(_cell(count, sum(counts)) for count in counts) + "</tr>"
    head = f"<thead><tr><th></th>{heads}</tr></thead>"
    return f'<div class="wide"><table class="confusion">{head}<tbody>{rows}</tbody></table></div>'


def _cell(count: int, total: int) -> str:
    share = count / total if total else 0.0
    ink = "#fff" if share > 0.5 else ("var(--ink)" if share >= 0.1 else "var(--quiet)")
    text = ("&lt;1" if share < 0.005 else f"{100 * share:.0f}") if count else ""
    style = f"background: rgba(var(--accent), {0.04 + 0.92 * share:.3f}); color: {ink}"
    return f'<td title="{count} of {total}" style="{style}">{text}</td>'

"""A generator's report: `generator.json` for programs, `generator.md` and `.html` for people, and its sheets."""

from __future__ import annotations

import html
import json
import math
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from training.clay.corpus import ACTION_UNITS
from training.config import Config
from training.ganimation.evaluate import ALONE_CHANGE, Distance, Evaluation
from training.ganimation.showing import CLEAR, Group
from training.report import wrap
from training.shape.report import Table, as_html, as_markdown


def write(folder: Path, config: Config, found: Evaluation, measured: str, sheets: Sequence[Path] = ()) -> Path:
    """Write all three and return the Markdown file's path.

    Args:
        measured: what was scored, in words.
        sheets: pictures that lie in `folder`; the page shows them.
    """
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "generator.json").write_text(json.dumps({"measured": measured} | plain(asdict(found)), indent=2) + "\n")
    said, tables, names = sentences(found, measured, config), tables_of(found), [sheet.name for sheet in sheets]
    markdown = folder / "generator.md"
    blocks = [f"# {config.name}", *said, *map(as_markdown, tables), *(f"![{name}]({name})" for name in names)]
    markdown.write_text("\n\n".join(blocks) + "\n")
    body = [f"<h1>{html.escape(config.name)}</h1>", *(f"<p>{html.escape(text)}</p>" for text in said)]
    body += [*map(as_html, tables)]
    body += [f'<p><img src="{html.escape(n)}" alt="{html.escape(n)}" style="max-width: 100%"></p>' for n in names]
    (folder / "generator.html").write_text(wrap(config.name, "\n".join(body)))
    return markdown


def plain(value: Any) -> Any:
    """As JSON takes it: a score that does not exist is null."""
    if isinstance(value, dict):
        return {name: plain(item) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def summary(found: Evaluation) -> str:
    """One line for the command line."""
    pairs, people = found.pairs, found.people
    seen = f", people {_percent(people.agreement)} %" if people else ""
    return (
        f"SSIM {_plain(pairs.ssim.value, 3)} to the truth (copy {_plain(pairs.ssim.copied, 3)}), units r "
        f"{_plain(pairs.correlation)}, expressions seen by the classifier: statues "
        f"{_percent(found.statues.agreement)} %{seen}"
    )


def sentences(found: Evaluation, measured: str, config: Config) -> list[str]:
    pairs, how = found.pairs, config.generation
    return [
        f"Measured: {measured}, on {pairs.faces:,} pairs of rendered heads of {pairs.identities:,} identities that "
        "were never trained on. Copying the source is what a generator that does nothing would score.",
        f"Units, read by {Path(how.landmarker).parent.parent.name}, which also judged in training, so that they "
        f"flatter: mean r {_plain(pairs.correlation)} ({_span(pairs.correlation_interval)}). One unit alone asked to "
        f"grow by {ALONE_CHANGE}: it grows by {_plain(float(np.diag(pairs.crosstalk).mean()))}, any other changes by "
        f"{_plain(off_diagonal(pairs.crosstalk), 3)} on average.",
        f"Sets of faces, features of {Path(how.classifier).parent.parent.name} (mean of its last maps), "
        f"{pairs.faces:,} faces each: FID {_plain(pairs.frechet)} (floor {_plain(pairs.frechet_copied)}), KID "
        f"{_plain(pairs.kernel, 4)} (floor {_plain(pairs.kernel_copied, 4)}). The floor is the same faces in another "
        "order; FID is too large where the faces are few.",
        *_group_sentences("statues", found.statues),
        *(_group_sentences("people", found.people) if found.people else []),
        "Intervals are 95 %, bootstrap over identities. Rendered heads show what the renderer can make, not what a "
        "statue in a museum looks like; nobody knows a true picture of a person's other expression here.",
    ]


def _group_sentences(name: str, group: Group) -> list[str]:
    same = group.identity
    return [
        f"Neutral {name} ({group.faces:,}) given each of six expressions: the classifier, which was not used in "
        f"training, sees the one asked for in {_percent(group.agreement)} %. Masks: mean {_percent(group.mask_mean)} % "
        f"of a face is repainted ({_percent(group.mask_spread[0])} – {_percent(group.mask_spread[1])} % for nine "
        f"tenths of the faces). No change asked: at most {group.zero} of 255 levels differ.",
        f"Identity, {name}: cosine of the classifier's features with the own source {_plain(same.own)} "
        f"({_span(same.interval)}), with others' {_plain(same.others)}; the nearest of {same.identities:,} sources is "
        f"the own one in {_percent(same.found)} %. These are features of an expression classifier, for want of a "
        "network that tells persons apart.",
    ]


def tables_of(found: Evaluation) -> list[Table]:
    pairs = found.pairs
    near = [
        _distance("SSIM (11 x 11 Gaussian, luma), more is better", pairs.ssim, 3),
        _distance("PSNR, dB, more is better", pairs.psnr, 2),
        _distance("multi-scale gradients, less is better", pairs.gradients, 4),
    ]
    units = [
        [name, _plain(unit.slope), _plain(unit.correlation), _span(unit.interval), _plain(unit.truth)]
        for name, unit in pairs.units.items()
    ]
    cross = [[name, *(_plain(value) for value in row)] for name, row in zip(ACTION_UNITS, pairs.crosstalk, strict=True)]
    tables: list[Table] = [
        ("Distance to the true picture", ["", "generator", "95 %", "copy of the source", "95 %"], near),
        ("Response of the units", ["unit", "slope", "r", "95 % of r", "r of the true picture"], units),
        (f"One unit alone, asked + {ALONE_CHANGE} (row), mean change read (column)", ["asked", *ACTION_UNITS], cross),
    ]
    for name, group in (("statues", found.statues), ("people", found.people)):
        if group is not None:
            rows = [
                [label, _percent(one.agreement), _span(one.interval, 100), _percent(one.source), _percent(one.truth)]
                for label, one in group.expressions.items()
            ]
            head = ["asked", "seen, %", "95 %", "seen in the source, %", f"seen in true ones (≥ {CLEAR}), %"]
            tables.append((f"Expressions on {name}", head, rows))
    return tables


def off_diagonal(table: Sequence[Sequence[float]]) -> float:
    """Mean absolute change of the units that were not asked for."""
    values = np.abs(np.array(table, np.float64))
    return float(values[~np.eye(len(values), dtype=bool)].mean())


def _distance(name: str, found: Distance, digits: int) -> list[str]:
    spans = [" – ".join(_plain(end, digits) for end in span) for span in (found.interval, found.copied_interval)]
    return [name, _plain(found.value, digits), spans[0], _plain(found.copied, digits), spans[1]]


def _plain(value: float, digits: int = 2) -> str:
    return f"{value:.{digits}f}" if math.isfinite(value) else "–"


def _span(interval: Sequence[float], times: float = 1) -> str:
    return " – ".join(_plain(times * end, 2 if times == 1 else 1) for end in interval)


def _percent(value: float | None) -> str:
    return "–" if value is None or not math.isfinite(value) else f"{100 * value:.1f}"

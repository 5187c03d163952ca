"""From files to files: results and groups in; the page, its figures as CSV and the same as Markdown out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa

from mien import results
from mien.report import details, groups, page, sections, sheets, telling, tidy
from mien.report.content import Report
from mien.report.faces import everybody, gather
from mien.report.study import study


def write(
    paths: Sequence[Path],
    to: Path,
    *,
    by: str | None = None,
    groups_file: Path | None = None,
    images: Path | None = None,
    model_note: str = "",
) -> list[Path]:
    """Write `to` (.html) and beside it the .csv and the .md, and return the three.

    Args:
        paths: results, as `mien.results.read` takes them.
        by: a column of the groups file or of the results; None: all rows are one group.
        groups_file: .csv or .parquet, joined by image; its column `label`, if any, is what people said.
        images: the folder that was read, for examples.
        model_note: a sentence on the model, for the page's foot.

    Raises:
        ValueError, FileNotFoundError: what is wrong with the files or the columns, in one sentence.
        ModuleNotFoundError: examples are wanted and Pillow is not installed.
    """
    written = [to, to.with_suffix(".csv"), to.with_suffix(".md")]
    _check(paths, to, written, groups_file)
    table = results.read(paths)
    _once(table)
    grouping = groups.assign(table, by, groups_file)
    total, members = everybody(table, grouping), gather(table, grouping)
    found = study(by, total, members, grouping.unmatched)
    parts = [*sections.shares(found), *sections.probabilities(found), *sections.differences(found)]
    parts += [*details.units(found), *details.confidence(found)]
    if images is not None and total.faces:
        parts.append(page.contact_sheets(sheets.examples(members, images)))
    created = datetime.now(UTC).strftime("%d %B %Y, %H:%M UTC")
    names, beside = [path.name for path in paths], groups_file.name if groups_file else ""
    parts += [*details.failures(found), details.making(found, names, beside, len(table), created, model_note)]
    report = Report(telling.title(found), telling.summary(found), telling.warnings(found), parts)
    to.parent.mkdir(parents=True, exist_ok=True)
    for path, text in zip(written, (page.html(report), tidy.text(found), page.markdown(report)), strict=True):
        path.write_text(text, encoding="utf-8")
    return written


def _check(paths: Sequence[Path], to: Path, written: Sequence[Path], groups_file: Path | None) -> None:
    if to.suffix != ".html":
        raise ValueError(f"--to {to}: the page's name ends in .html")
    given = {path.resolve() for path in (*paths, *([groups_file] if groups_file else []))}
    if lost := [path for path in written if path.resolve() in given]:
        raise ValueError(f"{lost[0]} is read and would be written over: choose another name for the page")


def _once(table: pa.Table) -> None:
    keys = zip(*(table[name].to_pylist() for name in ("image", "face", "model", "model_version")), strict=True)
    twice = next(((key, times) for key, times in Counter(keys).items() if times > 1), None)
    if twice is not None:
        raise ValueError(f"{twice[0][0]!r} is in the results {twice[1]} times: give each result once")

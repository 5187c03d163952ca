"""The sections below the groups: action units, agreement with labels, failures, and how the report was made."""

from __future__ import annotations

from collections.abc import Sequence

from mien.report import coding
from mien.report.agreement import Agreement
from mien.report.content import Cell, Section
from mien.report.faces import ALL
from mien.report.study import Study
from mien.report.telling import STATEMENT
from mien.report.wording import NONE, count, listed, percent, span
from mien.results import ACTION_UNITS
from mien.tables import EXPRESSIONS


def units(study: Study) -> list[Section]:
    """Units by expression, and the pairs that come together."""
    if not study.units:
        return []
    # the shade is the square: most units are weak in most faces, and a table that is all grey says nothing
    cells = {(unit.name, unit.expression): unit for unit in study.units}
    rows = []
    for name in ACTION_UNITS:
        found = [cells.get((name, expression)) for expression in EXPRESSIONS]
        rows.append(
            [
                Cell(f"{name} {coding.NAMES[name]}"),
                *(Cell(percent(u.mean), percent(u.share), u.mean**2) if u else Cell(NONE) for u in found),
            ]
        )
    n = {unit.expression: unit.n for unit in study.units}
    rows.append([Cell("faces"), *(Cell(f"{n.get(name, 0):,}") for name in EXPRESSIONS)])
    made = [
        Section(
            "Action units by expression",
            ["Which movements of the face come with which expression, of all faces whose units were read."],
            head=("", *EXPRESSIONS),
            rows=rows,
            notes=["Above: mean intensity, 100 is the strongest; below: per cent of the faces with an intensity of .5 "
                   "and more. The units are read from 68 landmarks and are a hint."],
        )
    ]  # fmt: skip
    if study.pairs:
        made.append(_pairs(study))
    return made


def _pairs(study: Study) -> Section:
    rows = [
        [
            Cell(f"{pair.one} {coding.NAMES[pair.one]} + {pair.other} {coding.NAMES[pair.other]}"),
            Cell(f"{pair.both:,}"),
            Cell(f"{pair.expected:,.1f}"),
            Cell(f"{pair.lift:.2f}"),
        ]
        for pair in study.pairs
    ]
    return Section(
        "Action units that come together",
        head=("", "faces", "by chance", "lift"),
        rows=rows,
        notes=["Both with an intensity of .5 and more, in at least five faces. Lift: how many times more often than if "
               "the two knew nothing of each other."],
    )  # fmt: skip


def confidence(study: Study) -> list[Section]:
    """How sure the model is; and, only where there are labels, how often it is right."""
    if study.total.confidence is None:
        return []
    sure = f"The expression shown most has a mean probability of {percent(study.total.confidence)} %."
    if not study.agreement:
        unknown = (
            "Without labels nobody knows how often it is right: a mean probability is the model's own opinion. "
            "A groups file with a column label, one of the seven expressions for each image, shows it."
        )
        return [Section("How sure, and how right", [f"{sure} {unknown}"])]
    groups = study.agreement[: 1 if study.by is None else None]
    total = study.agreement[0]
    rows = [
        [Cell(one.group), Cell(f"{one.accuracy.n:,}"), Cell(percent(one.accuracy.value), span(one.accuracy)),
         Cell(percent(one.calibration))]
        for one in (*groups[1:], total)
    ]  # fmt: skip
    return [
        Section(
            "How sure, and how right",
            [f"{sure} {count(total.accuracy.n, 'face')} have a label."],
            head=("", "faces", "accuracy", "calibration error"),
            rows=rows,
            notes=[
                "Per cent; below, Wilson's 95 % interval. Expected calibration error in 15 bins. A label is its "
                "image's, so only images with exactly one face count."
            ],
        ),
        *(_confusion(one) for one in (total, *groups[1:])),
    ]


def _confusion(one: Agreement) -> Section:
    rows = [
        [Cell(label), *(_share(number, sum(answers)) for number in answers), Cell(f"{sum(answers):,}")]
        for label, answers in zip(EXPRESSIONS, one.confusion, strict=True)
    ]
    lead = "Rows: the label. Columns: the answer. Per cent of the row."
    where = "" if one.group == ALL else f": {one.group}"
    return Section(f"What is taken for what{where}", [lead], head=("", *EXPRESSIONS, "faces"), rows=rows)


def failures(study: Study) -> list[Section]:
    """Images that could not be read, by reason."""
    if not study.failures:
        return []
    rows = [
        [Cell(failure.code), Cell(f"{failure.detail or NONE}"), Cell(failure.example), Cell(f"{failure.images:,}")]
        for failure in study.failures
    ]
    return [Section("Failures", head=("", "what to do", "for one", "images"), rows=rows, words=3)]


def making(study: Study, files: Sequence[str], groups: str, rows: int, created: str, note: str) -> Section:
    """From what, with what and when the report was made."""
    lead = [f"{count(rows, 'row')} from {listed(files)}." + f" Groups from {groups}." * bool(groups)]
    models = listed(study.models) or "none"
    lead.append(f"Model: {models}. {note}".strip() if len(study.models) < 2 else f"Models: {models}. {note}".strip())
    lead.append(
        f"Each group is one value of {study.by}; {ALL} is every row."
        if study.by is not None
        else "All rows are one group."
    )
    lead.append(
        f"Made by mien report on {created}. The intervals are of fixed seeds: the same rows give the same figures."
    )
    lead.append(f"{STATEMENT} The report describes what faces show in pictures, and nobody's state of mind.")
    return Section("How this was made", lead)


def _share(number: int, total: int) -> Cell:
    share = number / total if total else 0.0
    return Cell(f"{100 * share:.0f}" if number else "", shade=share if number else None)

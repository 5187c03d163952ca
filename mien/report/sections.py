"""The sections on groups: who shows what, how surely, and where they differ."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from mien.report import plots
from mien.report.content import Cell, Section
from mien.report.study import Difference, Group, Study
from mien.report.wording import count, percent, points, points_span, span
from mien.statistics import RESAMPLES, Estimate
from mien.tables import EXPRESSIONS


def shares(study: Study) -> list[Section]:
    """The bars, and the table behind them."""
    groups = shown(study)
    bars = "".join(
        f'<div class="group"><b>{escape(group.name)}</b>{plots.bar(group.name, [s.value for s in group.shares])}'
        f"<span>{count(group.faces, 'face')}</span></div>"
        for group in groups
        if group.faces
    )
    if not bars:
        return []
    rows = [
        [Cell(group.name), Cell(f"{group.images:,}"), Cell(f"{group.empty:,}"), Cell(f"{group.failed:,}"),
         Cell(f"{group.faces:,}"), *_estimates(group.shares)]
        for group in groups
    ]  # fmt: skip
    return [
        Section(
            "What the faces show",
            ["Per cent of the faces, by the expression that each shows most."],
            f'{plots.legend()}<div class="bars">{bars}</div>',
        ),
        Section(
            "Shares with their intervals",
            head=("", "images", "no face", "failed", "faces", *EXPRESSIONS),
            rows=rows,
            notes=[
                "Per cent of the faces; below, Wilson's 95 % interval. It takes the faces as independent: where images "
                "show several people on one occasion, it is too narrow."
            ],
        ),
    ]


def probabilities(study: Study) -> list[Section]:
    """Mean probabilities, which also count what a face shows second."""
    rows = [[Cell(group.name), *_estimates(group.means)] for group in shown(study) if group.means]
    note = (
        f"Mean probability in per cent; below, the 95 % bootstrap interval of {RESAMPLES:,} resamples of whole images, "
        "as the faces of one image are not independent."
    )
    return [Section("Mean probabilities", head=("", *EXPRESSIONS), rows=rows, notes=[note])] if rows else []


def differences(study: Study) -> list[Section]:
    """Each group against the rest."""
    if not study.differences:
        return []
    reach = max(max(abs(one.estimate.low), abs(one.estimate.high)) for one in study.differences)
    by_chance = 0.05 * study.comparisons
    whom = {one.group for one in study.differences}
    lead = "Each group's share of faces minus that of all other groups together, in percentage points."
    if len(whom) == 1:
        lead = (
            f"The share of faces in {study.differences[0].group} minus that in the other group, in percentage points; "
            "turned round it has the other sign."
        )
    return [
        Section(
            "Differences between the groups",
            [lead],
            head=("", "expression", "here", "rest", "difference", "95 % interval", "", "excludes zero"),
            rows=[_difference(one, reach, study.differences, place) for place, one in enumerate(study.differences)],
            notes=[
                "Newcombe's hybrid score interval (1998, method 10). Filled dots: the interval excludes zero.",
                f"Of {study.comparisons} comparisons about {by_chance:.1f} exclude zero by chance if no group differs."
                ' "Together" marks those that still do so when all of them are to hold at once (Bonferroni).',
            ],
            words=2,
        )
    ]


def shown(study: Study) -> Sequence[Group]:
    """The groups, and below them all rows, if they are more than one group."""
    return (study.total,) if study.by is None else (*study.groups, study.total)


def _difference(one: Difference, reach: float, every: Sequence[Difference], place: int) -> list[Cell]:
    first = place == 0 or every[place - 1].group != one.group
    sure = one.estimate.excludes_zero
    return [
        Cell(one.group if first else "", strong=True),
        Cell(one.expression),
        Cell(percent(one.here)),
        Cell(percent(one.rest)),
        Cell(points(one.estimate.value), strong=sure),
        Cell(points_span(one.estimate)),
        Cell("", picture=plots.rule(one.estimate, reach)),
        Cell("yes, together" if one.together else "yes" if sure else "no", strong=sure),
    ]


def _estimates(estimates: Sequence[Estimate]) -> list[Cell]:
    if not estimates:
        return [Cell(percent(None))] * len(EXPRESSIONS)
    return [Cell(percent(one.value), span(one)) for one in estimates]

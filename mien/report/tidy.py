"""A study's figures for programs: one figure a line, with its interval and what it was counted from."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterator

from mien.report.study import Group, Study
from mien.statistics import Estimate
from mien.tables import EXPRESSIONS

HEAD = ("group", "measure", "expression", "value", "low", "high", "n")
Line = tuple[str, str, str, float, float | None, float | None, int]


def text(study: Study) -> str:
    """CSV with the columns of `HEAD`; shares, probabilities and intensities are in [0, 1]."""
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(HEAD)
    writer.writerows(map(_rounded, _lines(study)))
    return file.getvalue()


def _lines(study: Study) -> Iterator[Line]:
    groups = study.groups if study.by is not None else ()
    for group in (study.total, *groups):
        yield from _group(group)
    for one in study.differences:
        yield _line(one.group, "share_minus_rest", one.expression, one.estimate)
    for unit in study.units:
        yield study.total.name, f"{unit.name}_mean", unit.expression, unit.mean, None, None, unit.n
        yield study.total.name, f"{unit.name}_present", unit.expression, unit.share, None, None, unit.n
    for pair in study.pairs:
        yield study.total.name, f"lift_{pair.one}_{pair.other}", "", pair.lift, None, None, pair.n
    for each in study.agreement[: None if groups else 1]:
        yield _line(each.group, "accuracy", "", each.accuracy)
        yield each.group, "calibration_error", "", each.calibration, None, None, each.accuracy.n
        for label, answers in zip(EXPRESSIONS, each.confusion, strict=True):
            for answer, faces in zip(EXPRESSIONS, answers, strict=True):
                yield each.group, f"labelled_{label}", answer, faces, None, None, sum(answers)
    for failure in study.failures:
        yield study.total.name, f"failed_{failure.code}", "", failure.images, None, None, study.total.images


def _group(group: Group) -> Iterator[Line]:
    for measure, value in (("images", group.images), ("images_without_face", group.empty),
                           ("images_failed", group.failed), ("faces", group.faces)):  # fmt: skip
        yield group.name, measure, "", value, None, None, group.images
    for name, estimate in zip(EXPRESSIONS, group.shares, strict=False):
        yield _line(group.name, "share", name, estimate)
    for name, estimate in zip(EXPRESSIONS, group.means, strict=False):
        yield _line(group.name, "mean_probability", name, estimate)
    if group.confidence is not None:
        yield group.name, "mean_top_probability", "", group.confidence, None, None, group.faces


def _line(group: str, measure: str, expression: str, estimate: Estimate) -> Line:
    return group, measure, expression, estimate.value, estimate.low, estimate.high, estimate.n


def _rounded(line: Line) -> list[object]:
    return ["" if isinstance(v, float) and math.isnan(v) else round(v, 6) if isinstance(v, float) else v for v in line]

"""The title, the summary in words, and the warnings that stand above everything else."""

from __future__ import annotations

from mien.report.study import Study
from mien.report.wording import count, listed, percent, points, points_span, span
from mien.tables import EXPRESSIONS

STATEMENT = "An expression shown is not an emotion felt."


def title(study: Study) -> str:
    return "Expressions shown" if study.by is None else f"Expressions shown, by {study.by}"


def summary(study: Study) -> str:
    """One paragraph: what was read, what is shown most, and where a group differs most."""
    return " ".join(filter(None, (_read(study), _shown(study), _differing(study))))


def warnings(study: Study) -> list[str]:
    """What would mislead a reader who does not know it."""
    found = []
    if study.unmatched:
        found.append(
            f"{count(study.unmatched, 'row')} of the results found no group: the groups file does not have the image."
        )
    if study.by is not None and (left := study.total.faces - sum(group.faces for group in study.groups)):
        found.append(f"{count(left, 'face')} without a {study.by} stand in no group, only in what is said of all.")
    if study.shared_images:
        found.append(
            f"{count(study.shared_images, 'image')} with rows in more than one group: the groups are not independent, "
            "and the intervals of their differences do not hold exactly."
        )
    return found


def _read(study: Study) -> str:
    total = study.total
    if not total.images:
        return "The results are empty: no image was read, and there is nothing to tell."
    rest = [f"{count(total.empty, 'image')} without a face"] * bool(total.empty)
    rest += [f"{count(total.failed, 'failure')}"] * bool(total.failed)
    read = f"{count(total.images, 'image')} {'was' if total.images == 1 else 'were'} read: {count(total.faces, 'face')}"
    return f"{read}{', ' * bool(rest)}{listed(rest)}."


def _shown(study: Study) -> str:
    ranked = sorted(zip(EXPRESSIONS, study.total.shares, strict=False), key=lambda one: -one[1].value)
    named = [f"{name} ({percent(share.value)} %, 95 % interval {span(share)})" for name, share in ranked[:2]
             if share.value]  # fmt: skip
    return f"The faces show most often {listed(named)}." if named else ""


def _differing(study: Study) -> str:
    sure = [one for one in study.differences if one.estimate.excludes_zero]
    if not study.differences:
        return ""
    if not sure:
        return f"No difference between a {study.by} and the rest has a 95 % interval that excludes zero."
    top = max(sure, key=lambda one: (one.together, abs(one.estimate.value)))
    held = "and so it does" if top.together else "but not"
    return (
        f"The clearest difference: {top.group} shows {top.expression} in {percent(top.here)} % of its faces, "
        f"the rest in {percent(top.rest)} % ({points(top.estimate.value)} points, 95 % interval "
        f"{points_span(top.estimate)}). "
        f"Its interval excludes zero, {held} when all {study.comparisons} comparisons are judged together."
    )

"""The posture study: what the figures of each posture show, and whether posture and expression know of each other."""

from __future__ import annotations

import numpy as np

from training.data.faces import EXPRESSIONS
from training.experiments import intervals, paper, pictures
from training.experiments.classifiers import MIXED
from training.experiments.figures import POSTURES
from training.experiments.outcome import Outcome, Table
from training.experiments.study import Study
from training.metrics import wilson_interval
from training.report import percent, span

TITLE = "Postures and expressions"
USES = ("people", "statues", "roles", "network", "augment")
READER = MIXED[2]  # the ARM that learnt from people and rendered statues; named before anything was scored
LEVEL = 0.05
WIDE = 0.3


def run(study: Study) -> Outcome:
    figures, how = study.cast.postures, study.how
    said = study.trained(READER).says(figures.table)
    names = [name for name in POSTURES if (figures.posture == name).any()]
    group = np.array([names.index(name) for name in figures.posture], np.int64)
    readings = {f"read by {READER.name}": said}
    if (figures.labels >= 0).all():
        readings["true expressions"] = figures.labels
    tables, told, drawn, data = [], [], {}, {}
    for number, (reading, labels) in enumerate(readings.items()):
        counts = np.array([np.bincount(labels[group == at], minlength=7) for at in range(len(names))])
        tables.append(_distribution(f"Expressions by posture, {reading}", names, counts))
        overall = intervals.association(group, labels, how.draws, how.seed)
        tested = _tests(names, counts)
        clear = [f"{name}, {expression}" for (name, expression), (_, p) in tested.items() if p < LEVEL]
        known = "are associated" if overall < LEVEL else "are not shown to be associated"
        apart = f"after Holm's correction {'; '.join(clear)}" if clear else "no single one stands out after Holm"
        told.append(
            f"{reading[0].upper()}{reading[1:]}: posture and expression {known} (permutation test, "
            f"p = {overall:.3f}); {apart}."
        )
        drawn[f"postures{number + 1}.svg"] = pictures.shares(
            {f"{name} ({counts[at].sum()})": counts[at] / counts[at].sum() for at, name in enumerate(names)}
        )
        data[reading] = {
            "counts": counts,
            "association": overall,
            "tests": {f"{a}, {b}": {"fisher": p, "holm": q} for (a, b), (p, q) in tested.items()},
        }
    tables.append(_published())
    if "postures" not in study.cast.own:
        told.append(
            "The figures are rendered stand-ins whose expressions were drawn without regard to posture: there is no "
            "true association here, and a test should find none. With photographs it can."
        )
    told.append(_published_width())
    return Outcome(told, tables, drawn, data, {name: int((figures.posture == name).sum()) for name in names})


def _distribution(title: str, names: list[str], counts: np.ndarray) -> Table:  # type: ignore[type-arg]
    rows = []
    for name, own in zip([*names, "all"], [*counts, counts.sum(0)], strict=True):
        total = int(own.sum())
        cells = [f"{hits} ({span(wilson_interval(int(hits), total))})" for hits in own]
        rows.append([f"{name}, {total}", *cells])
    return Table(title, ["", *EXPRESSIONS], rows, "Figures; in brackets Wilson's 95 % interval of the share, per cent.")


def _tests(names: list[str], counts: np.ndarray) -> dict[tuple[str, str], tuple[float, float]]:  # type: ignore[type-arg]
    """Fisher's test of each posture and expression against the other postures, and Holm's correction over all."""
    keys, chances = [], []
    for at, name in enumerate(names):
        for label, expression in enumerate(EXPRESSIONS):
            hits, total = int(counts[at, label]), int(counts[at].sum())
            rest, rest_total = int(counts[:, label].sum()) - hits, int(counts.sum()) - total
            keys.append((name, expression))
            chances.append(intervals.fisher(hits, total, rest, rest_total))
    corrected = intervals.holm(chances)
    return dict(zip(keys, zip(chances, corrected, strict=True), strict=True))


def _published() -> Table:
    rows = []
    for posture, found in paper.POSTURES.items():
        for expression, hits, total in found:
            interval = span(wilson_interval(hits, total))
            rows.append([posture, expression or "not at hand", f"{hits} of {total}", percent(hits / total), interval])
    head = ["paper", "expression", "figures", "per cent", "95 % (Wilson)"]
    note = "The paper's summary names happiness as a main expression; no posture lists it."
    return Table("The paper's posture study, with the intervals that it lacks", head, rows, note)


def _published_width() -> str:
    spans = [wilson_interval(hits, total) for found in paper.POSTURES.values() for _, hits, total in found]
    wide = sum(high - low > WIDE for low, high in spans)
    return (
        f"Of the paper's {len(spans)} shares of figures, {wide} have an interval of more than {100 * WIDE:.0f} points."
    )

"""The table that the paper never made: every classifier on statues whose true expressions are known, none generated.

The paper's claim is that GAN-made faces of statues teach a classifier to read statues; it tested on GAN-made faces
alone. Here the faces are rendered heads with known expressions, or a user's labelled photographs. No head of the test
was learnt from. Whether GAN-made data help is the paired difference with its interval, by head.
"""

from __future__ import annotations

import numpy as np

from training.experiments import figures58, intervals, pictures, telling
from training.experiments.classifiers import MIXED, ON_GAN, RESNET_ON_PEOPLE, Recipe
from training.experiments.figures import Figures
from training.experiments.intervals import Interval
from training.experiments.outcome import Outcome, Table
from training.experiments.study import Study
from training.experiments.telling import points
from training.report import percent

TITLE = "The missing table: true statues"
USES = ("people", "statues", "gan", "roles", "network", "augment")

_PEOPLE, _WITH_GAN, _WITH_RENDERED, _WITH_BOTH, _GAN = MIXED
# (what is asked, with, without)
QUESTIONS = (
    ("GAN-made data added to people", _WITH_GAN, _PEOPLE),
    ("GAN-made data instead of people", _GAN, _PEOPLE),
    ("rendered data added to people", _WITH_RENDERED, _PEOPLE),
    ("GAN-made data added to people and rendered data", _WITH_BOTH, _WITH_RENDERED),
    ("GAN-made data rather than rendered data beside people", _WITH_GAN, _WITH_RENDERED),
)
CLAIM = QUESTIONS[0][0]


def recipes() -> list[Recipe]:
    """Every classifier of the study, each once."""
    return list({recipe.name: recipe for recipe in (*MIXED[:4], RESNET_ON_PEOPLE, *ON_GAN)}.values())


def run(study: Study) -> Outcome:
    tests = {"rendered statues": study.truth, "CW58, by the annotators' majority": figures58.labels(study)}
    if study.own_truth is not None:
        tests = {"photographs of statues": study.own_truth, **tests}
    for test, figures in tests.items():
        apart(study, test, figures)
    tables, data, drawn = [], {}, {}
    answers: dict[str, dict[str, np.ndarray]] = {}  # type: ignore[type-arg]
    for number, (test, figures) in enumerate(tests.items()):
        said = answers[test] = {recipe.name: study.trained(recipe).says(figures.table) for recipe in recipes()}
        scored = {
            name: intervals.scores(figures.labels, each, figures.identity, study.how.draws, study.how.seed)
            for name, each in said.items()
        }
        tables.append(telling.one_line_each(f"Trained on …, tested on {test}", scored, "Intervals are by head."))
        macros = {name: each.macro for name, each in scored.items()}
        drawn[f"test{number + 1}.svg"] = pictures.ranges(macros, f"{test}: macro, per cent")
        data[test] = scored
    told, compared = [], {}
    for test, figures in tests.items():
        found = {what: _difference(study, figures, answers[test], one, other) for what, one, other in QUESTIONS}
        rows = [[what, points(each), verdict(each)] for what, each in found.items()]
        tables.append(Table(f"What helps on {test}", ["", "macro, points (95 %)", ""], rows, _NOTE))
        compared[test] = found
        told.append(sentence(test, CLAIM, found[CLAIM]))
    first = next(iter(tests))
    told += [sentence(first, what, each) for what, each in compared[first].items() if what != CLAIM]
    told.append(
        "Heads of the test are of the same renderer as the GAN's sources and the rendered training heads, but other "
        "ones: this favours both over people's photographs. A user's photographs (`truth` in [roles]) are the test to "
        "trust."
    )
    told.append("Each classifier was trained once: how much another seed would change is not known.")
    drawn["differences.svg"] = pictures.ranges(compared[first], f"{first}: macro, points", zero=True)
    counts = {test: len(figures) for test, figures in tests.items()} | {"heads": len(set(study.truth.identity))}
    return Outcome(told, tables, drawn, {"scores": data, "differences": compared}, counts)


def apart(study: Study, test: str, figures: Figures) -> None:
    """Refuse a test with figures that expressions were put on for training.

    Raises:
        ValueError: there are some.
    """
    shared = {str(name) for name in study.generated.source} & {str(name) for name in figures.identity}
    if shared:
        raise ValueError(
            f"{test}: {len(shared)} figures are sources of GAN18K too ({min(shared)}): make it from other faces"
        )


_NOTE = (
    "Mean recall with, minus mean recall without, on the same faces; heads are drawn together. A verdict needs an "
    "interval that leaves out 0. The first row is the question; the others are not corrected for being many. One "
    "training each: how much another seed would change is not in the interval."
)


def verdict(found: Interval) -> str:
    """What an interval of a difference shows."""
    if found.above_zero:
        return "helps"
    return "hurts" if found.below_zero else "not shown"


def sentence(test: str, what: str, found: Interval) -> str:
    """The verdict in words, from the interval alone."""
    size = f"{points(found)} points of mean recall"
    if found.above_zero:
        return f"On {test}, {what} helps: {size}."
    if found.below_zero:
        return f"On {test}, {what} hurts: {size}."
    half = percent((found.high - found.low) / 2)
    return f"On {test}, it is not shown that {what} helps or hurts: {size}; this test sees differences of about {half}."


def _difference(
    study: Study,
    figures: Figures,
    said: dict[str, np.ndarray],
    one: Recipe,
    other: Recipe,  # type: ignore[type-arg]
) -> Interval:
    how = study.how
    return intervals.difference(figures.labels, said[one.name], said[other.name], figures.identity, how.draws, how.seed)

"""Class balance and the focal loss: how uneven each set is, and what γ and α change.

The paper's focal loss has one α of .25: in a softmax over seven classes it only scales the loss. Under Adam it does
nothing, under SGD, which these runs use, it is a lower learning rate.
"""

from __future__ import annotations

import numpy as np

from training.config import Loss
from training.data.faces import EXPRESSIONS
from training.experiments import intervals, pictures, telling
from training.experiments.classifiers import PEOPLE, Recipe
from training.experiments.outcome import Outcome, Table
from training.experiments.study import Study
from training.experiments.telling import points

TITLE = "Class balance and the focal loss"
USES = ("people", "statues", "gan", "network", "augment")
BASE = "cross-entropy"


def losses(supports: np.ndarray) -> dict[str, Loss]:  # type: ignore[type-arg]
    """The losses that are compared, by name; `supports` `[7]`: training faces of each expression."""
    inverse = 1 / np.maximum(supports, 1)
    weights = tuple(float(weight) for weight in inverse / inverse.mean())
    return {
        BASE: Loss("hard"),
        "focal, γ 1": Loss("focal", 1.0),
        "focal, γ 2": Loss("focal", 2.0),
        "focal, γ 2, α .25 (the paper's)": Loss("focal", 2.0, (0.25,)),
        "focal, γ 2, α by class": Loss("focal", 2.0, weights),
    }


def run(study: Study) -> Outcome:
    people, how = study.people, study.how
    supports = np.bincount(people.train.labels, minlength=7)
    alone = np.arange(len(people.test)).astype(np.str_)
    said = {
        name: study.trained(Recipe("arm", (PEOPLE,), loss=loss)).says(people.test)
        for name, loss in losses(supports).items()
    }
    scored = {
        name: intervals.scores(people.test.labels, each, alone, how.draws, how.seed) for name, each in said.items()
    }
    apart = {
        name: intervals.difference(people.test.labels, each, said[BASE], alone, how.draws, how.seed)
        for name, each in said.items()
        if name != BASE
    }
    rows = [[name, points(each)] for name, each in apart.items()]
    compared = Table(
        f"Against {BASE}", ["", "macro, points (95 %)"], rows, "Paired on the same test faces; one training each."
    )
    told = [
        f"{name} instead of {BASE}: {'more' if each.above_zero else 'less'} mean recall, {points(each)} points."
        for name, each in apart.items()
        if each.above_zero or each.below_zero
    ] or [f"No loss is shown to change mean recall against {BASE}."]
    tables = [_balance(study), telling.one_line_each("ARM on people, by its loss", scored), compared]
    drawn = {"losses.svg": pictures.ranges({name: each.macro for name, each in scored.items()}, "macro, per cent")}
    return Outcome(told, tables, drawn, {"scores": scored, "differences": apart}, {"test faces": len(people.test)})


def _balance(study: Study) -> Table:
    sets = {
        "people, training": study.people.train.labels,
        "people, test": study.people.test.labels,
        "rendered, training": study.rendered[0].labels,
        "GAN18K": study.generated.table.labels,
        "statues with truth": study.truth.labels,
    }
    rows = []
    for name, labels in sets.items():
        counts = np.bincount(labels, minlength=7)
        rows.append(
            [
                name,
                f"{len(labels):,}",
                *(f"{count:,}" for count in counts),
                f"{counts.max() / max(1, counts.min()):.1f}",
            ]
        )
    note = "On balanced pictures such as GAN18K α has nothing to even out: it is 1 there."
    return Table("Faces of each expression", ["", "all", *EXPRESSIONS, "most ÷ least"], rows, note)

"""CW58: 58 figures, six annotators each; majority and soft labels, and how far the annotators agree."""

from __future__ import annotations

import numpy as np

from training.data.faces import EXPRESSIONS
from training.experiments import annotators, intervals, pictures, roles
from training.experiments.annotators import Votes
from training.experiments.figures import Figures
from training.experiments.outcome import Outcome, Table
from training.experiments.study import Study
from training.experiments.telling import ranged
from training.report import percent

TITLE = "CW58 and its annotators"
USES = ("statues", "roles")


def votes(study: Study) -> Votes | None:
    """The annotators' votes: the user's own, or simulated ones; None for a user's pictures without votes."""
    figures = study.cast.cw58
    if figures.votes is not None:
        return Votes(figures.votes)
    if "CW58" in study.cast.own:
        return None
    return annotators.asked(figures.labels, figures.intensity, study.how.seed)


def labels(study: Study) -> Figures:
    """CW58 with the annotators' majority as labels, where there are votes; rows that nobody labelled are left out."""
    figures, found = study.cast.cw58, votes(study)
    if found is not None:
        parts = (figures.faces, found.majority, figures.intensity, figures.identity, figures.posture, figures.material)
        return Figures(*parts, found.counts)
    known = figures.take(np.flatnonzero(figures.labels >= 0))
    if not len(known):
        raise ValueError("CW58 has neither expressions nor votes: use folders named after expressions, or a CSV file")
    return known


def run(study: Study) -> Outcome:
    figures, found = study.cast.cw58, votes(study)
    mine = "CW58" in study.cast.own
    if found is None:
        return Outcome(["The pictures are the user's own and have no votes: there is no agreement to report."], [])
    agree = annotators.kappa(found.counts)
    counts = np.bincount(found.majority, minlength=len(EXPRESSIONS))
    rows = [[name, str(int(counts[at])), f"{found.soft[:, at].sum():.1f}"] for at, name in enumerate(EXPRESSIONS)]
    told = [
        f"{len(figures)} figures (the paper: {roles.CW58}), {int(found.counts[0].sum())} annotators each: Fleiss' κ "
        f"{agree:.2f}; {found.tied} majorities were tied and went to the first expression in our order.",
        "The pictures and votes are the user's own."
        if mine
        else "The figures are rendered and the annotators simulated by a fixed noise model: κ is a property of that "
        "model, not of people. The paper gives neither votes nor κ.",
    ]
    data = {
        "kappa": agree,
        "votes": found.counts,
        "majority": found.majority,
        "soft": found.soft,
        "identity": [str(name) for name in figures.identity],
    }
    if (figures.labels >= 0).all():
        right = intervals.scores(figures.labels, found.majority, figures.identity, study.how.draws, study.how.seed)
        rows.append(["majority equals the truth", ranged(right.micro), ""])
        data["majority against truth"] = right
        told.append(f"The majority of the annotators is right about {percent(right.micro.value)} % of the figures.")
    table = Table("CW58: what the annotators say", ["", "majority", "sum of soft labels"], rows)
    return Outcome(told, [table], {"cw58.png": pictures.mosaic(figures.faces)}, data, {"CW58": len(figures)})

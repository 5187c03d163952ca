"""Han and American figures: what the classifier sees in them. Stand-ins, unless the user names pictures."""

from __future__ import annotations

import numpy as np

from training.data.faces import EXPRESSIONS
from training.experiments import paper, pictures
from training.experiments.outcome import Outcome, Table
from training.experiments.postures import READER
from training.experiments.study import Study
from training.experiments.telling import listed
from training.metrics import wilson_interval
from training.report import percent, span

TITLE = "Han and American figures"
USES = ("people", "statues", "roles", "network", "augment")


def run(study: Study) -> Outcome:
    reader, cast = study.trained(READER), study.cast
    groups = {"CW58": cast.cw58, "Han": cast.han, "American": cast.american}
    rows, told, shares, data = [], [], {}, {}
    for name, figures in groups.items():
        said = reader.says(figures.table)
        counts = np.bincount(said, minlength=7)
        cells = [f"{hits} ({span(wilson_interval(int(hits), len(figures)))})" for hits in counts]
        known = figures.labels >= 0
        right = int((said[known] == figures.labels[known]).sum())
        truth = (
            f"{percent(right / known.sum())} ({span(wilson_interval(right, int(known.sum())))})" if known.any() else "–"
        )
        rows.append([f"{name}, {len(figures)}", *cells, truth])
        shares[f"{name} ({len(figures)})"] = counts / len(figures)
        top = [EXPRESSIONS[at] for at in np.argsort(-counts, kind="stable")[:3] if counts[at]]
        told.append(f"{name}: most often read are {listed(top)}.")
        materials, each = np.unique(figures.material, return_counts=True)
        data[name] = {"read": counts, "right": right, "known": int(known.sum())}
        data[name]["materials"] = dict(zip(map(str, materials), each.tolist(), strict=True))
    stand_in = [role for role in ("Han", "American") if role not in cast.own]
    if stand_in:
        told.append(
            f"{listed(stand_in)}: STAND-INS. They are rendered heads of another dress and material, and scanned busts; "
            "their expressions were drawn at random. They exercise the protocol and say nothing about Han or American "
            "sculpture."
        )
    told.append(
        f"The paper sees mostly {listed(paper.AMERICAN)} in 33 American sculptures of Cowen & Keltner and calls it "
        "close. Their five words are pain, strain, anger, elation and sadness: fear is not among them, and seven "
        "classes know no pain, strain or elation."
    )
    head = ["", *EXPRESSIONS, "right, per cent"]
    note = f"Read by {READER.name}; figures, in brackets Wilson's 95 % interval of the share, per cent."
    counts = {name: len(figures) for name, figures in groups.items()}
    faces = np.concatenate([cast.han.faces, cast.american.faces])
    drawn = {"others.svg": pictures.shares(shares), "others.png": pictures.mosaic(faces)}
    return Outcome(told, [Table("What is read in other figures", head, rows, note)], drawn, data, counts)

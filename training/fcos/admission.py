"""Whether an exported detector may be served: the gate of all models, with a parity that knows what candidates are.

The graph returns its candidates by score. Where two score nearly the same, rounding decides which comes first, so the
file and the trained network are compared candidate by candidate, not row by row.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from training import gate
from training.fcos.finding import CANVAS_PX, Answers, Function

UNITS = {"boxes": float(CANVAS_PX), "points": float(CANVAS_PX)}


def admit(path: Path, contract: gate.Contract, network: Function) -> None:
    """Let a file pass, or raise.

    Args:
        network: the torch graph, as a function of canvases.

    Raises:
        GateError: the first thing found wrong.
    """
    gate.admit(path, contract, None, sane, UNITS)
    model, images = gate.of_file(path), gate.images(contract)
    for batch in (1, 3, 8):
        same_candidates(model(images[:batch]), network(images[:batch]), batch)


def same_candidates(found: Answers, wanted: Answers, batch: int, within: float = gate.PARITY) -> None:
    """Each candidate of one answer is in the other, with the same score, box and points.

    Raises:
        GateError: one is not.
    """
    distance = float(np.abs(found["scores"] - wanted["scores"]).max())
    if not distance <= within:
        raise gate.GateError(f"the file and the trained network differ by {distance:.2g} in scores at batch {batch}")
    for row in range(batch):
        one, other = (
            np.concatenate(
                [a["scores"][row][:, None], *(a[n][row].reshape(len(a[n][row]), -1) / UNITS[n] for n in UNITS)], 1
            )
            for a in (found, wanted)
        )
        nearest = np.abs(one[:, None] - other[None]).max(2).min(1)
        # The last ones may differ: which of two equal candidates is the 200th is up to rounding.
        settled = one[:, 0] > one[-1, 0] + within
        if settled.any() and not nearest[settled].max() <= within:
            raise gate.GateError(
                f"a candidate of the file is not among the trained network's at batch {batch}: the nearest differs by "
                f"{nearest[settled].max():.2g}"
            )


def sane(answers: Answers) -> None:
    """Scores in [0, 1] and falling, no box of a negative size.

    Raises:
        GateError: it is otherwise.
    """
    scores = answers["scores"]
    if scores.min() < 0 or scores.max() > 1:
        raise gate.GateError("some scores are not in [0, 1]")
    if (np.diff(scores, axis=1) > 0).any():
        raise gate.GateError("the scores of a row do not fall")
    if (answers["boxes"][..., 2:] < 0).any():
        raise gate.GateError("some boxes have a negative size")

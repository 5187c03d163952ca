"""Found boxes against true ones: average precision, recall, false positives.

A picture's truth is boxes that must be found and boxes that say nothing: what is found there is neither right nor
wrong. Boxes are x, y, width, height.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from training.fcos.teacher import overlaps

MATCH = 0.4  # intersection over union that counts as found


@dataclass(frozen=True, slots=True)
class Judged:
    """The finds of many pictures together: `scores` `[n]` and whether each is `right` `[n]` (what fell on a region that
    says nothing is left out), and how many faces and pictures there were."""

    scores: NDArray[np.float64]
    right: NDArray[np.bool_]
    faces: int
    pictures: int

    def recall(self, least: float) -> float | None:
        """The share of the faces that was found at this score; None where there is no face."""
        return float(self.right[self.scores >= least].sum() / self.faces) if self.faces else None

    def false_per_picture(self, least: float) -> float:
        return float((~self.right[self.scores >= least]).sum() / max(self.pictures, 1))

    def average_precision(self) -> float | None:
        """The area under precision over recall, precision made falling (as PASCAL VOC from 2010)."""
        if not self.faces:
            return None
        order = np.argsort(-self.scores, kind="stable")
        hits = np.cumsum(self.right[order])
        precision = hits / np.arange(1, len(hits) + 1)
        precision = np.maximum.accumulate(precision[::-1])[::-1]
        return float((precision * self.right[order]).sum() / self.faces)


def judge(
    found: Sequence[NDArray[np.float64]], true: Sequence[NDArray[np.float64]], silent: Sequence[NDArray[np.float64]]
) -> Judged:
    """Score pictures.

    Args:
        found: of each picture rows `[n, ≥ 5]`, the box first and the score last, any order.
        true, silent: of each picture `[m, 4]`.
    """
    scores, right = [], []
    for rows, wanted, ignored in zip(found, true, silent, strict=True):
        left = np.ones(len(wanted), np.bool_)
        for row in rows[np.argsort(-rows[:, -1], kind="stable")]:
            match = np.where(left, overlaps(row[:4], wanted), 0.0) if len(wanted) else np.zeros(0)
            hit = len(match) > 0 and match.max() >= MATCH
            if not hit and len(ignored) and overlaps(row[:4], ignored).max() >= MATCH:
                continue
            if hit:
                left[match.argmax()] = False
            scores.append(float(row[-1]))
            right.append(bool(hit))
    faces = sum(len(wanted) for wanted in true)
    return Judged(np.array(scores, np.float64), np.array(right, np.bool_), faces, len(found))

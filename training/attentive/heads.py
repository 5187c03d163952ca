"""Rendered statues in memory for the attentive classifier: wider crops, landmarks, units, expressions."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from training.clay.corpus import Corpus
from training.data.faces import clearly_shown
from training.data.statues import labelled
from training.shape import crops
from training.shape.crops import Crops, Framing


@dataclass(frozen=True, slots=True)
class Heads:
    """n heads: their crops about the classifier's square, `targets` `[n, 7]` and `labels` `[n]` as in a `FaceTable`,
    and which show their expression clearly, `[n]`."""

    crops: Crops
    targets: NDArray[np.float32]
    labels: NDArray[np.int64]
    clear: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.labels)


def load(corpora: list[Corpus], framing: Framing, held_out: float, cache_px: int, shown: bool) -> tuple[Heads, Heads]:
    """(training, validation) heads of several corpora, identities apart; of validation those shown clearly.

    Raises:
        ValueError: a side is empty.
    """
    sides: tuple[list[Heads], list[Heads]] = ([], [])
    for corpus in corpora:
        labels, targets = labelled(corpus)
        clear = clearly_shown(labels, corpus.intensity)
        training, validation = crops.split(corpus, held_out)
        for side, rows in zip(sides, (training, validation[clear[validation]]), strict=True):
            cut = crops.load(corpus, rows, cache_px, shown, framing)
            side.append(Heads(cut, targets[rows], labels[rows], clear[rows]))
    training, validation = (joined(side) for side in sides)
    return training, validation


def joined(several: list[Heads]) -> Heads:
    """The heads of several corpora, one after the other."""
    names = ("targets", "labels", "clear")
    columns = [np.concatenate([getattr(one, name) for one in several]) for name in names]
    return Heads(crops.joined([one.crops for one in several]), *columns)

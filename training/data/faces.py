"""Labelled faces in memory: what every reader in this folder returns and every classifier task trains on."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

EXPRESSIONS = ("neutral", "happiness", "surprise", "sadness", "anger", "disgust", "fear")
NO_EXPRESSION = -1
CLEAR_INTENSITY = 0.55  # of a rendered face; scores count expressions from here on, and neutral faces


@dataclass(frozen=True, slots=True)
class FaceTable:
    """n faces of one side length.

    Attributes:
        faces: luma `[n, side, side] uint8`, square, as tightly framed as the source frames them.
        targets: `[n, 7] float32`, each row a distribution over `EXPRESSIONS` (one-hot where there was one label).
        labels: `[n] int64`, the majority class, for scores; not always `targets.argmax` (ties, see the reader).
            `NO_EXPRESSION` where a face shows none of them: its target is 0 everywhere, it is there for its units.
        units: `[n, 17] float32`, action units in [0, 1] (`training.clay.corpus.ACTION_UNITS`), NaN where unknown; None
            if nothing is known of any face.
    """

    faces: NDArray[np.uint8]
    targets: NDArray[np.float32]
    labels: NDArray[np.int64]
    units: NDArray[np.float32] | None = None

    def __len__(self) -> int:
        return len(self.faces)

    def take(self, rows: NDArray[np.intp]) -> FaceTable:
        units = None if self.units is None else self.units[rows]
        return FaceTable(self.faces[rows], self.targets[rows], self.labels[rows], units)


@dataclass(frozen=True, slots=True)
class Split:
    """The training rows, and the rows on which models are chosen. A test split never comes here.

    `statues`: validation rows of rendered statues, where they are learnt too; their side may differ from the others'.
    `train_statues`: how many of the training rows, the last ones, are statues.
    """

    train: FaceTable
    validation: FaceTable
    statues: FaceTable | None = None
    train_statues: int = 0


def clearly_shown(labels: NDArray[np.int64], intensity: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Which of n rendered faces scores count, `[n]`: neutral, or their expression at `CLEAR_INTENSITY` or more."""
    return (labels != NO_EXPRESSION) & ((labels == 0) | (intensity >= CLEAR_INTENSITY))


def one_hot(labels: NDArray[np.int64]) -> NDArray[np.float32]:
    """`[n]` class indices → `[n, 7]` float32."""
    return np.eye(len(EXPRESSIONS), dtype=np.float32)[labels]


def held_out(person: str, fraction: float) -> bool:
    """Whether a person belongs to validation: a stable function of the name, so that no person is on both sides."""
    digest = hashlib.sha256(person.encode()).digest()
    return int.from_bytes(digest[:8], "big") / 2**64 < fraction

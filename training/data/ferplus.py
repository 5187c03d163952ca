"""FER2013 faces with FER+ votes (Barsoum et al., ICMI 2016), 48x48 grey.

Reads two forms: the packed `ferplus_train_validation.npz`, and the two files that a user downloads:
`fer2013.csv` (Kaggle's challenge: emotion, pixels, Usage) and `fer2013new.csv` (github.com/microsoft/FERPlus).

The rule that makes ten vote columns into seven classes, the same for training and validation:
1. a column with a single vote is an outlier and is cleared, as in FER+'s own code, if another column has more;
2. the label is the column with the most votes, the first of them at a tie;
3. rows whose label is contempt, unknown or not-a-face are left out;
4. the target is the share of votes among the seven classes.
"""

from __future__ import annotations

import csv
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from training.data.faces import FaceTable, Split

SIDE_PX = 48


def read(path: Path) -> Split:
    """The official training rows and the PublicTest rows as validation.

    Args:
        path: the `.npz`, or the folder that holds it, or the folder that holds the two CSV files.

    Raises:
        FileNotFoundError: with a sentence on what to put there.
    """
    packed = path / "ferplus_train_validation.npz" if path.is_dir() else path
    if packed.suffix == ".npz" and packed.exists():
        return _read_packed(packed)
    if (path / "fer2013.csv").exists() and (path / "fer2013new.csv").exists():
        return _read_csv(path / "fer2013.csv", path / "fer2013new.csv")
    raise FileNotFoundError(
        f"no FER+ at {path}: put ferplus_train_validation.npz there, or fer2013.csv (the Kaggle challenge "
        "'facial expression recognition', 2013) beside fer2013new.csv (github.com/microsoft/FERPlus)"
    )


def label_rows(votes: NDArray[np.uint8]) -> tuple[NDArray[np.bool_], NDArray[np.float32], NDArray[np.int64]]:
    """`[n, 10]` votes → (kept `[n]`, targets `[n, 7]`, labels `[n]`) by the rule above; dropped rows hold zeros."""
    counts = votes.astype(np.float32)
    top = counts.max(1, keepdims=True)
    counts[(counts <= 1) & (top > 1)] = 0
    labels = counts.argmax(1).astype(np.int64)
    kept = (labels < 7) & (top[:, 0] > 0)
    seven = counts[:, :7]
    targets = seven / np.maximum(seven.sum(1, keepdims=True), 1)
    labels[~kept] = 0
    targets[~kept] = 0
    return kept, targets, labels


def _read_packed(path: Path) -> Split:
    with np.load(path) as data:
        mosaics = [cv2.imdecode(data[name], cv2.IMREAD_GRAYSCALE) for name in sorted(data.files) if "mosaic_" in name]
        faces = np.concatenate([_tiles(mosaic) for mosaic in mosaics])[: int(data["count"])]
        kept, targets, labels = label_rows(data["votes"])
        training, leaked = data["split"] == 0, data["duplicate_in_evaluation"]
    table = FaceTable(faces, targets, labels)
    return Split(
        table.take(np.flatnonzero(kept & training & ~leaked)),
        table.take(np.flatnonzero(kept & ~training)),
    )


def _tiles(mosaic: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """A mosaic of 60x60 tiles → `[3600, 48, 48]`."""
    return mosaic.reshape(60, SIDE_PX, 60, SIDE_PX).transpose(0, 2, 1, 3).reshape(-1, SIDE_PX, SIDE_PX)


def _read_csv(pixels_csv: Path, votes_csv: Path) -> Split:
    """The two files have the same rows in the same order. Training rows whose pixels also occur in an evaluation
    split are dropped: FER2013 has such duplicates."""
    usage: list[str] = []
    faces: list[NDArray[np.uint8]] = []
    votes: list[list[int]] = []
    with pixels_csv.open(newline="") as left, votes_csv.open(newline="") as right:
        for row, vote_row in zip(csv.DictReader(left), csv.DictReader(right), strict=True):
            usage.append(row["Usage"].strip())
            faces.append(np.array(row["pixels"].split(), dtype=np.uint8).reshape(SIDE_PX, SIDE_PX))
            votes.append([int(value) for value in list(vote_row.values())[-10:]])
    used = np.array(usage)
    kept, targets, labels = label_rows(np.array(votes, dtype=np.uint8))
    evaluated = {face.tobytes() for face, use in zip(faces, usage, strict=True) if use != "Training"}
    leaked = np.array([face.tobytes() in evaluated for face in faces])
    table = FaceTable(np.stack(faces), targets, labels)
    return Split(
        table.take(np.flatnonzero(kept & (used == "Training") & ~leaked)),
        table.take(np.flatnonzero(kept & (used == "PublicTest"))),
    )

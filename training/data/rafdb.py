"""RAF-DB, basic expressions (Li, Deng & Du, CVPR 2017): aligned faces of 100x100 px with one label each.

The folder is what its authors send to researchers:

    EmoLabel/list_patition_label.txt   lines `train_00001.jpg 5` (the file's own spelling)
    Image/aligned/train_00001_aligned.jpg

Its official test rows are read by `test` alone, for the tables of `mien experiment`: models are chosen on a tenth of
the training rows, picked by a hash of the file's name, so that the choice stays the same on every machine. RAF-DB names
no persons, so the split is by picture.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from training.data.faces import EXPRESSIONS, FaceTable, Split, held_out, one_hot

SIDE_PX = 100
VALIDATION_SHARE = 0.1
# Label ids 1..7, in the order of RAF-DB's own documentation.
LABELS = ("surprise", "fear", "disgust", "happiness", "sadness", "anger", "neutral")


def read(path: Path) -> Split:
    """The official training rows, a tenth of them as validation; in an order that mixes the classes.

    Args:
        path: the folder that holds `EmoLabel` and `Image`.

    Raises:
        FileNotFoundError: no list there, or a picture that it names is missing.
        ValueError: a line that is not a name and an id of 1 to 7, or a picture that cannot be read.
    """
    rows, table = _table(path, "train_")
    chosen = np.array([held_out(name, VALIDATION_SHARE) for name, _ in rows])
    return Split(table.take(np.flatnonzero(~chosen)), table.take(np.flatnonzero(chosen)))


def test(path: Path) -> FaceTable:
    """The official test rows; nothing may be chosen on them. Raises as `read`."""
    return _table(path, "test_")[1]


def _table(path: Path, start: str) -> tuple[list[tuple[str, int]], FaceTable]:
    listing = path / "EmoLabel" / "list_patition_label.txt"
    if not listing.exists():
        raise FileNotFoundError(
            f"no RAF-DB at {path}: put EmoLabel/list_patition_label.txt and Image/aligned/ there (ask its authors)"
        )
    rows = [_parse(line, listing) for line in listing.read_text().splitlines() if line.strip()]
    rows = sorted((row for row in rows if row[0].startswith(start)), key=lambda row: _mixed(row[0]))
    if not rows:
        raise ValueError(f"{listing} names no {start} picture")
    faces = np.stack([_face(path / "Image" / "aligned" / f"{Path(name).stem}_aligned.jpg") for name, _ in rows])
    labels = np.array([label for _, label in rows], dtype=np.int64)
    return rows, FaceTable(faces, one_hot(labels), labels)


def _parse(line: str, listing: Path) -> tuple[str, int]:
    name, _, number = line.strip().partition(" ")
    if number not in {"1", "2", "3", "4", "5", "6", "7"}:
        raise ValueError(f"{listing}: {line!r} is not a file name and an id of 1 to 7")
    return name, EXPRESSIONS.index(LABELS[int(number) - 1])


def _mixed(name: str) -> bytes:
    """A stable order without runs of one class: the list has such runs, and `rows` takes the first so many."""
    return hashlib.sha256(f"order {name}".encode()).digest()


def _face(path: Path) -> NDArray[np.uint8]:
    if not path.exists():
        raise FileNotFoundError(f"RAF-DB's list names a picture that is missing: {path}")
    face = cv2.imread(str(path), cv2.IMREAD_GRAYSCALE)
    if face is None:
        raise ValueError(f"{path} is not a picture that can be read")
    if face.shape != (SIDE_PX, SIDE_PX):
        face = cv2.resize(face, (SIDE_PX, SIDE_PX), interpolation=cv2.INTER_AREA)
    return face.astype(np.uint8, copy=False)

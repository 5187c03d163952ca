"""Any labelled faces: one folder per expression, pictures of any size in it.

    faces/happy/anna_01.jpg       the person is `anna`: what stands before the first `_` or `-`
    faces/happy/anna/beach.png    the person is `anna`: a folder in between wins over the file's name
    faces/sad/0001.jpg            neither: every picture counts as a person of its own

A person is either in training or in validation, never in both, by a stable hash of the name. Folder names are the
seven expressions or a usual synonym (happy, sad, angry, …), in any case. Pictures are taken as tightly framed faces.
"""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from training.data.faces import EXPRESSIONS, FaceTable, Split, held_out, one_hot

SIDE_PX = 112
VALIDATION_SHARE = 0.1
SUFFIXES = {".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff"}
SYNONYMS = {
    "neutrality": "neutral", "calm": "neutral",
    "happy": "happiness", "joy": "happiness",
    "surprised": "surprise", "surprize": "surprise",
    "sad": "sadness", "sorrow": "sadness",
    "angry": "anger", "disgusted": "disgust",
    "fearful": "fear", "afraid": "fear", "scared": "fear",
}  # fmt: skip


def read(path: Path) -> Split:
    """Every picture under the seven folders, split by person; in an order that mixes the classes.

    Raises:
        FileNotFoundError: no such folder, or no picture in it.
        ValueError: a folder that names no expression, a picture that cannot be read, or persons that leave one of
            the two sides empty.
    """
    if not path.is_dir():
        raise FileNotFoundError(
            f"no folder {path}: it should hold one folder per expression ({', '.join(EXPRESSIONS)})"
        )
    rows: list[tuple[Path, int]] = []
    for folder in sorted(entry for entry in path.iterdir() if entry.is_dir() and not entry.name.startswith(".")):
        label = expression(folder.name)
        rows += [(file, label) for file in sorted(folder.rglob("*")) if file.suffix.lower() in SUFFIXES]
    if not rows:
        raise FileNotFoundError(f"no picture under {path}: put them into folders named {', '.join(EXPRESSIONS)}")
    rows.sort(key=lambda row: hashlib.sha256(str(row[0].relative_to(path)).encode()).digest())
    chosen = np.array([held_out(person(file.relative_to(path)), VALIDATION_SHARE) for file, _ in rows])
    if chosen.all() or not chosen.any():
        persons = len({person(file.relative_to(path)) for file, _ in rows})
        raise ValueError(
            f"{path} names {persons} person(s), too few for a validation side of their own: name pictures "
            "<person>_<anything> or put each person's pictures into a folder"
        )
    labels = np.array([label for _, label in rows], dtype=np.int64)
    table = FaceTable(np.stack([square_luma(file) for file, _ in rows]), one_hot(labels), labels)
    return Split(table.take(np.flatnonzero(~chosen)), table.take(np.flatnonzero(chosen)))


def expression(name: str) -> int:
    """A folder's name → its place in `EXPRESSIONS`."""
    plain = name.strip().lower()
    plain = SYNONYMS.get(plain, plain)
    if plain not in EXPRESSIONS:
        raise ValueError(f"folder {name!r} is no expression: use {', '.join(EXPRESSIONS)} or a synonym such as happy")
    return EXPRESSIONS.index(plain)


def person(relative: Path) -> str:
    """The person of `<expression>/[<person>/]<picture>`, by the rule at the head of this file."""
    if len(relative.parts) > 2:
        return relative.parts[1]
    return re.split(r"[_-]", relative.stem, maxsplit=1)[0] or relative.stem


def square_luma(path: Path) -> NDArray[np.uint8]:
    """A picture's central square as luma `[112, 112] uint8`; area-averaged when it shrinks, bilinear when it grows."""
    luma = cv2.imread(str(path), cv2.IMREAD_GRAYSCALE)
    if luma is None:
        raise ValueError(f"{path} is not a picture that can be read")
    height, width = luma.shape
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    how = cv2.INTER_AREA if side > SIDE_PX else cv2.INTER_LINEAR
    square = cv2.resize(luma[top : top + side, left : left + side], (SIDE_PX, SIDE_PX), interpolation=how)
    return square.astype(np.uint8, copy=False)

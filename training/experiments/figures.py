"""Figures of one role, and the user's own: pictures in folders or named by a CSV file.

    warriors/anger/F0012.jpg, warriors/kneeling/F0012.jpg    a folder's name is an expression, a posture, or neither
    warriors.csv    `file` (relative to it); optional `identity`, `expression`, `posture`, and a column for each of the
                    seven expressions with the number of annotators who chose it

Pictures are tightly framed faces, of any size; who is not named is a figure of its own.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from training.data import folder as labelled
from training.data.faces import EXPRESSIONS, FaceTable, one_hot

POSTURES = {"kneeling": 18, "general": 25, "standing": 17, "cavalry": 6, "civil": 19}  # the paper's 85
_ALSO = {"generals": "general", "vertical": "standing", "civil servant": "civil", "civil servants": "civil"}
UNKNOWN = -1


@dataclass(frozen=True, slots=True)
class Figures:
    """n faces, luma `[n, side, side] uint8`; `labels` `[n]`, -1 where nobody knows; `intensity` `[n]` in [0, 1] (1
    where unknown); `posture` `[n]`, "" where unknown; `votes` `[n, 7]` of annotators, or None."""

    faces: NDArray[np.uint8]
    labels: NDArray[np.int64]
    intensity: NDArray[np.float32]
    identity: NDArray[np.str_]
    posture: NDArray[np.str_]
    material: NDArray[np.str_]
    votes: NDArray[np.int64] | None = None

    def __len__(self) -> int:
        return len(self.faces)

    @property
    def table(self) -> FaceTable:
        """For the networks; where nobody knows a label it is neutral, to be left unused."""
        labels = np.maximum(self.labels, 0)
        return FaceTable(self.faces, one_hot(labels), labels)

    def take(self, rows: NDArray[np.intp]) -> Figures:
        votes = None if self.votes is None else self.votes[rows]
        parts = (self.faces, self.labels, self.intensity, self.identity, self.posture, self.material)
        return Figures(*(part[rows] for part in parts), votes)  # type: ignore[arg-type]


def join(one: Figures, other: Figures) -> Figures:
    parts = ("faces", "labels", "intensity", "identity", "posture", "material")
    return Figures(*(np.concatenate([getattr(one, name), getattr(other, name)]) for name in parts))


def own(path: Path, side_px: int, role: str) -> Figures:
    """A user's pictures.

    Raises:
        FileNotFoundError: nothing there, or a picture that the list names is missing.
        ValueError: an unknown expression, a picture that cannot be read, or fewer than two pictures.
    """
    path = path.expanduser()
    if path.suffix.lower() == ".csv" and path.exists():
        rows = _listed(path)
    elif path.is_dir():
        rows = _foldered(path)
    else:
        raise FileNotFoundError(f"{role}: no folder or CSV file {path}: put pictures there, or leave it out of [roles]")
    if len(rows) < 2:
        raise ValueError(f"{role}: {path} names {len(rows)} picture(s), two are the least: add more")
    votes = [row["votes"] for row in rows]
    return Figures(
        resized(np.stack([labelled.square_luma(row["file"]) for row in rows]), side_px),
        np.array([row["label"] for row in rows], np.int64),
        np.ones(len(rows), np.float32),
        np.array([row["identity"] for row in rows], np.str_),
        np.array([row["posture"] for row in rows], np.str_),
        np.full(len(rows), "", np.str_),
        np.array(votes, np.int64) if all(vote is not None for vote in votes) else None,
    )


def resized(faces: NDArray[np.uint8], side_px: int) -> NDArray[np.uint8]:
    """Luma `[n, side, side]` → `[n, side_px, side_px]`: area-averaged when it shrinks, bilinear when it grows."""
    if faces.shape[1] == side_px:
        return faces
    how = cv2.INTER_LINEAR if faces.shape[1] < side_px else cv2.INTER_AREA
    return np.stack([cv2.resize(face, (side_px, side_px), interpolation=how) for face in faces]).astype(np.uint8)


def _foldered(path: Path) -> list[dict]:  # type: ignore[type-arg]
    rows = []
    for file in sorted(file for file in path.rglob("*") if file.suffix.lower() in labelled.SUFFIXES):
        relative = file.relative_to(path)
        group = relative.parts[0].strip().lower() if len(relative.parts) > 1 else ""
        posture = _ALSO.get(group, group)
        expression = labelled.SYNONYMS.get(group, group)
        rows.append(
            {
                "file": file,
                "label": EXPRESSIONS.index(expression) if expression in EXPRESSIONS else UNKNOWN,
                "identity": labelled.person(relative) if len(relative.parts) > 1 else relative.stem,
                "posture": posture if posture in POSTURES else "",
                "votes": None,
            }
        )
    return rows


def _listed(path: Path) -> list[dict]:  # type: ignore[type-arg]
    rows = []
    with path.open(newline="") as lines:
        for number, line in enumerate(csv.DictReader(lines), 2):
            line = {key.strip().lower(): (value or "").strip() for key, value in line.items() if key}
            if not line.get("file"):
                raise ValueError(f"{path}, line {number}: a column `file` must name the picture")
            file = path.parent / line["file"]
            if not file.exists():
                raise FileNotFoundError(f"{path}, line {number}: no picture {file}")
            expression, posture = line.get("expression", ""), line.get("posture", "").lower()
            votes = [line.get(name, "") for name in EXPRESSIONS]
            rows.append(
                {
                    "file": file,
                    "label": labelled.expression(expression) if expression else UNKNOWN,
                    "identity": line.get("identity") or file.stem,
                    "posture": _ALSO.get(posture, posture),
                    "votes": [int(vote or 0) for vote in votes] if any(votes) else None,
                }
            )
    return rows

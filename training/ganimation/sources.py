"""Neutral faces to put expressions on: those of a rendered corpus, or of a folder of photographs.

A folder's pictures are found by the exported detector and judged by the exported landmarker; the surest face of each is
taken. Nobody checks that it is neutral: what a face shows already stays in what is made of it.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from rich.progress import track

from training.clay import corpus as clay
from training.data.folder import SUFFIXES
from training.fcos import finding
from training.ganimation import readers
from training.ganimation.networks import FACE_PX
from training.shape import align
from training.shape.crops import usable
from training.shape.frame import Function
from training.shape.squares import Square, around, cut, five_points

LOG = logging.getLogger("mien.training")


@dataclass(frozen=True, slots=True)
class Sources:
    """n faces: the generator's squares `[n, 128, 128, 3] uint8`, their units as the landmarker reads them `[n, 17]`,
    where the classifier's square lies `[n, 4]`, who it is `[n]`, and the picture's name `[n]`."""

    faces: NDArray[np.uint8]
    units: NDArray[np.float32]
    frame: NDArray[np.float32]
    identity: NDArray[np.str_]
    name: NDArray[np.str_]

    def __len__(self) -> int:
        return len(self.faces)


def read(folder: Path, detector: Function, landmarker: Function, most: int = 0) -> Sources:
    """The neutral faces of a rendered corpus, spread over it, or one face of each picture of a folder.

    Args:
        detector: an exported face detector, for photographs. most: faces (0 = all).

    Raises:
        FileNotFoundError: no such folder. ValueError: no face in it.
    """
    folder = folder.expanduser()
    if not folder.is_dir():
        raise FileNotFoundError(f"no folder {folder}: name one of photographs, or a rendered corpus")
    rendered = (folder / "manifest.parquet").exists()
    found = _rendered(folder, most) if rendered else _photographs(folder, detector, landmarker, most)
    if not found:
        raise ValueError(
            f"{folder} has no face that could be used: it needs pictures with one clear, neutral face each"
        )
    faces = np.stack([face for face, _, _ in found])
    reading = readers.read(faces, landmarker)
    names = (np.array([row[at] for row in found], np.str_) for at in (1, 2))
    return Sources(faces, reading.units, reading.frame, *names)


Found = list[tuple[NDArray[np.uint8], str, str]]


def _rendered(folder: Path, most: int) -> Found:
    """Heads' squares by their truth, without what the detector's boxes are off."""
    corpus = clay.read(folder)
    rows = usable(corpus)
    rows = rows[corpus.expression[rows] == "neutral"]
    if most:
        rows = rows[np.unique(np.linspace(0, len(rows) - 1, min(most, len(rows))).astype(int))]
    found = []
    for row in track(rows, "sources"):
        square = around(corpus.box[row], five_points(corpus.landmarks[row]))
        name = clay.picture_path(Path(), int(corpus.index[row])).as_posix()
        found.append((cut(corpus.image(int(row)), square, FACE_PX), str(corpus.identity[row]), name))
    return found


def _photographs(folder: Path, detector: Function, landmarker: Function, most: int) -> Found:
    files = sorted(file for file in folder.rglob("*") if file.suffix.lower() in SUFFIXES)
    found: Found = []
    for file in track(files, "sources"):
        picture = cv2.imread(str(file), cv2.IMREAD_COLOR)
        square = _surest(picture[..., ::-1].copy(), detector, landmarker) if picture is not None else None
        if picture is None or square is None:
            LOG.warning("%s: no face that is sure enough, left out", file.relative_to(folder))
            continue
        name = file.relative_to(folder)
        found.append((cut(picture[..., ::-1].copy(), square, FACE_PX), "-".join(name.with_suffix("").parts), str(name)))
        if len(found) == most:
            break
    return found


def _surest(picture: NDArray[np.uint8], detector: Function, landmarker: Function) -> Square | None:
    """The generator's square, upright, of the picture's surest face."""
    rows = finding.confirmed(finding.find(detector, picture), picture, landmarker)
    if not len(rows) or rows[:, 14].max() < finding.MIN_SCORE:
        return None
    row = rows[rows[:, 14].argmax()]
    shape = align.shaped(picture, row[:4], row[4:14].reshape(5, 2), landmarker)
    if shape.quality < align.MIN_QUALITY:
        return shape.seen
    return replace(shape.seen, roll_deg=around(row[:4], five_points(shape.landmarks)).roll_deg)

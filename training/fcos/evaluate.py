"""Ours beside OpenCV's cascade and the teacher on real photos: recall, false positives, precision, milliseconds.

The truth is the teacher's: faces that YuNet, over several sizes, is sure of must be found; those that it only sees say
nothing. So what is measured is how much of YuNet a finder has, not how many of the faces there are. The teacher is
measured against itself: its recall is 1 by definition, its false positives are what it finds where its list has none.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from training.fcos import teacher
from training.fcos.cutouts import HELD_OUT_PHOTOS
from training.fcos.scenes import Scenes
from training.fcos.scores import judge

Rows = NDArray[np.float64]
Finder = Callable[[NDArray[np.uint8]], Rows]  # an RGB picture → rows, the box first and the score last


@dataclass(frozen=True, slots=True)
class Album:
    """Pictures with the teacher's rows `[n, ≥ 5]`, the box first and the score last."""

    name: str
    pictures: tuple[NDArray[np.uint8], ...]
    taught: tuple[Rows, ...]


@dataclass(frozen=True, slots=True)
class Score:
    """One finder on one album. Recall and false positives are at the finder's threshold; None: no face there."""

    album: str
    finder: str
    threshold: float
    pictures: int
    faces: int
    recall: float | None
    false_per_picture: float
    average_precision: float | None
    ms: float


def albums(scenes: Scenes) -> list[Album]:
    """Every folder of `photos`, and of the backgrounds the held-out ones: with faces, and (all told) without.

    Raises:
        FileNotFoundError: neither is there.
    """
    try:
        find = teacher.yunet(Path(scenes.teacher)) if scenes.teacher else None
    except FileNotFoundError:
        find = None
    found = []
    for folder in (Path(each).expanduser() for each in scenes.photos):
        if folder.is_dir() and (find or teacher.listed(folder) is not None):
            found.append(_album(folder.name.replace("_", " "), teacher.pictures(folder), folder, find))
    backgrounds = Path(scenes.backgrounds).expanduser()
    known = teacher.listed(backgrounds) if scenes.backgrounds and backgrounds.is_dir() else None
    if known is not None:
        paths = teacher.pictures(backgrounds)
        unseen = paths[HELD_OUT_PHOTOS - 1 :: HELD_OUT_PHOTOS]
        without = [path for path in paths if path.name not in known]
        found.append(_album("held-out photos", [path for path in unseen if path.name in known], backgrounds, find))
        found.append(_album("held-out backgrounds", [p for p in unseen if p.name not in known], backgrounds, None))
        found.append(_album("backgrounds trained on", [p for p in without if p not in set(unseen)], backgrounds, None))
    if not found:
        raise FileNotFoundError("there is nothing to evaluate on: name folders in scenes.photos, with a teacher's file")
    return found


def measure(album: Album, name: str, find: Finder, threshold: float) -> Score:
    """Let a finder search every picture once."""
    found, started = [], time.perf_counter()
    for picture in album.pictures:
        found.append(find(picture))
    ms = 1000 * (time.perf_counter() - started) / max(len(album.pictures), 1)
    true = [rows[rows[:, -1] >= teacher.SURE, :4] for rows in album.taught]
    silent = [rows[rows[:, -1] < teacher.SURE, :4] for rows in album.taught]
    judged = judge(found, true, silent)
    return Score(
        album.name,
        name,
        threshold,
        judged.pictures,
        judged.faces,
        judged.recall(threshold),
        judged.false_per_picture(threshold),
        judged.average_precision(),
        ms,
    )


def cascade(name: str = "alt2", long_px: int = 640) -> Finder:
    """OpenCV's own frontal cascade as it comes: one search, three neighbours, no scores."""
    classifier = cv2.CascadeClassifier(str(Path(cv2.__file__).parent / "data" / f"haarcascade_frontalface_{name}.xml"))

    def find(image: NDArray[np.uint8]) -> Rows:
        scale = min(1.0, long_px / max(image.shape[:2]))
        size = [max(1, round(side * scale)) for side in image.shape[1::-1]]
        grey = cv2.resize(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), size, interpolation=cv2.INTER_AREA)
        boxes = np.asarray(classifier.detectMultiScale(grey, 1.1, 3, minSize=(22, 22)), np.float64).reshape(-1, 4)
        return np.hstack([boxes / scale, np.ones((len(boxes), 1))])

    return find


def sheet(album: Album, find: Finder, threshold: float, most: int = 24, side_px: int = 240) -> NDArray[np.uint8]:
    """Pictures side by side, RGB: our boxes and points green, the teacher's boxes white."""
    tiles = []
    for picture, taught in list(zip(album.pictures, album.taught, strict=True))[:most]:
        scale = side_px / max(picture.shape[:2])
        size = [max(1, round(side * scale)) for side in picture.shape[1::-1]]
        tile = np.full((side_px, side_px, 3), 255, np.uint8)
        tile[: size[1], : size[0]] = cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
        rows = find(picture)
        for boxes, colour in ((taught[taught[:, -1] >= teacher.SURE], (255, 255, 255)), (rows, (40, 220, 60))):
            for row in boxes[boxes[:, -1] >= threshold]:
                low, high = (row[:2] * scale).round().astype(int), ((row[:2] + row[2:4]) * scale).round().astype(int)
                cv2.rectangle(tile, low.tolist(), high.tolist(), colour, 1)
        for row in rows[rows[:, -1] >= threshold] if rows.shape[1] == 15 else ():
            for point in row[4:14].reshape(5, 2) * scale:
                cv2.circle(tile, point.round().astype(int).tolist(), 2, (40, 220, 60), -1)
        tiles.append(tile)
    across = min(6, len(tiles))
    tiles += [np.full((side_px, side_px, 3), 255, np.uint8)] * (-len(tiles) % across)
    return np.vstack([np.hstack(tiles[at : at + across]) for at in range(0, len(tiles), across)])


def _album(name: str, paths: Sequence[Path], folder: Path, find: Finder | None) -> Album:
    """`find`: None takes the listing's word alone: a picture that it does not name has no face."""
    known = teacher.listed(folder) or {}
    pictures = tuple(teacher.read_rgb(path) for path in paths)
    taught = []
    for path, picture in zip(paths, pictures, strict=True):
        rows = find(picture)[:, [0, 1, 2, 3, 14]] if find else np.zeros((0, 5))
        for row in known.get(path.name, np.zeros((0, 5))):
            if not len(rows) or teacher.overlaps(row[:4], rows[:, :4]).max() < 0.4:
                rows = np.vstack([rows, row])
        taught.append(rows)
    return Album(name, pictures, tuple(taught))

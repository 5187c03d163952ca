"""What canvases are pasted together from, read into memory once: rendered heads, people's faces, photos.

Everything is luma, as the network sees it. Boxes are left, top, right, bottom; points are the person's right eye, left
eye, nose tip, right and left corner of the mouth, (x, y); both in the piece's own pixels. A continuous coordinate of 0
is the left edge of the first pixel.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray
from rich.progress import track

from training.clay import corpus as clay
from training.data import ferplus
from training.data.faces import held_out
from training.fcos import teacher
from training.fcos.scenes import Scenes

T = TypeVar("T")
HELD_OUT_IDENTITIES = 0.08
HELD_OUT_PHOTOS = 5  # every fifth picture by name
UNKNOWN = np.full((5, 2), np.nan, np.float32)
# Where YuNet sees a FER+ face, in shares of its frame: medians over 261 of 300 training faces.
FERPLUS_BOX = np.array([0.12, 0.05, 0.86, 1.0], np.float32)
log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Cutout:
    """A face to paste: `luma`, `alpha` `[h, w] uint8` (alpha 0 = not the head), `box` `[4]`, `points` `[5, 2]` (NaN:
    unknown) float32."""

    luma: NDArray[np.uint8]
    alpha: NDArray[np.uint8]
    box: NDArray[np.float32]
    points: NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Photo:
    """A real picture with the teacher's faces: `boxes` `[n, 4]`, `points` `[n, 5, 2]`, `scores` `[n]`."""

    name: str
    luma: NDArray[np.uint8]
    boxes: NDArray[np.float32]
    points: NDArray[np.float32]
    scores: NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Pieces:
    """All there is to compose from, of one side of the split. `peopled`: photos with faces; `scenes`: without any."""

    heads: Sequence[Cutout]
    people: Sequence[Cutout]
    peopled: Sequence[Photo]
    scenes: Sequence[Photo]


def read(scenes: Scenes, quiet: bool = False) -> tuple[Pieces, Pieces]:
    """The pieces for training, and those held out for validation: other identities, other people, other photos.

    Raises:
        FileNotFoundError: none of the sources is there.
    """
    find = _optional(scenes.teacher, "teacher", lambda path: teacher.yunet(path, (192,)))
    closely = _optional(scenes.teacher, "", teacher.yunet)
    corpora = [_optional(name, "corpora", lambda path: read_heads(path, scenes, quiet)) for name in scenes.corpora]
    heads = [[cutout for corpus in corpora if corpus for cutout in corpus[side]] for side in (0, 1)]
    people = _optional(scenes.faces, "faces", lambda path: read_people(path, scenes.people, find, quiet)) or ([], [])
    photos = _optional(scenes.backgrounds, "backgrounds", lambda path: read_photos(path, closely, quiet)) or []
    sides = []
    for side in (0, 1):
        mine = [photo for at, photo in enumerate(photos) if (at % HELD_OUT_PHOTOS == HELD_OUT_PHOTOS - 1) == bool(side)]
        peopled, empty = [p for p in mine if len(p.boxes)], [p for p in mine if not len(p.boxes)]
        sides.append(Pieces(heads[side], people[side], peopled, empty))
    if not (sides[0].heads or sides[0].people or sides[0].peopled):
        raise FileNotFoundError(
            "there is no face to train the detector on: in [scenes] name a rendered corpus (mien clay render), FER+ "
            f"or photos with {teacher.LISTING}"
        )
    return sides[0], sides[1]


def read_heads(folder: Path, scenes: Scenes, quiet: bool) -> tuple[list[Cutout], list[Cutout]]:
    """Rendered heads with a box, cut to their mask; identities are on one side only."""
    found = clay.read(folder)
    rows = np.flatnonzero(np.isfinite(found.box).all(1))
    sides: tuple[list[Cutout], list[Cutout]] = ([], [])
    for row in _bar(_spread(rows, scenes.heads), "rendered heads", quiet):
        luma, alpha = cv2.cvtColor(found.image(row), cv2.COLOR_RGB2GRAY), found.mask(row)
        x, y, width, height = found.box[row]
        box = np.array([x, y, x + width, y + height], np.float32)
        cutout = _shrunk(luma, alpha, box, five_points(found.landmarks[row]), scenes.cache_px)
        sides[held_out(str(found.identity[row]), HELD_OUT_IDENTITIES)].append(cutout)
    return sides


def five_points(landmarks: NDArray[np.float32]) -> NDArray[np.float32]:
    """iBUG's 68 → right eye, left eye, nose tip, right and left corner of the mouth, `[5, 2]`; NaN stays NaN."""
    eyes = landmarks[36:42].mean(0), landmarks[42:48].mean(0)
    return np.stack([*eyes, landmarks[30], landmarks[48], landmarks[54]]).astype(np.float32)


def read_people(path: Path, most: int, find: teacher.Finder | None, quiet: bool) -> tuple[list[Cutout], list[Cutout]]:
    """FER+ faces in their frames; with a teacher only those that it finds, else a box at a fixed share of the frame."""
    split, side = ferplus.read(path), ferplus.SIDE_PX
    # The frame shows no more than the face, so its own edge is feathered away, in one of a few shapes.
    y, x = (np.mgrid[0:side, 0:side] + 0.5) / side * 2 - 1
    shapes = [np.clip((1.02 - np.hypot(x, y * squeeze)) * 8, 0, 1) for squeeze in (1.0, 0.9)]
    shapes.append(np.clip((1 - np.maximum(abs(x), abs(y))) * 10, 0, 1))
    alphas = [(shape * 255).astype(np.uint8) for shape in shapes] + [np.full((side, side), 255, np.uint8)]
    sides: tuple[list[Cutout], list[Cutout]] = ([], [])
    for into, table, limit in ((sides[0], split.train, most), (sides[1], split.validation, most // 10 or 0)):
        for number, row in enumerate(_bar(_spread(np.arange(len(table)), limit), "people's faces", quiet)):
            face, box, points = table.faces[row], FERPLUS_BOX * side, UNKNOWN
            if find is not None:
                framed = cv2.copyMakeBorder(cv2.resize(face, (96, 96)), 48, 48, 48, 48, cv2.BORDER_REPLICATE)
                rows = find(np.repeat(framed[..., None], 3, 2))
                if not len(rows):
                    continue
                box = (np.concatenate([rows[0, :2], rows[0, :2] + rows[0, 2:4]]) - 48) / 2
                points = (rows[0, 4:14].reshape(5, 2) - 48) / 2
            into.append(Cutout(face, alphas[number % len(alphas)], np.float32(box), np.float32(points)))
    return sides


def read_photos(folder: Path, find: teacher.Finder | None, quiet: bool) -> list[Photo]:
    """Every picture of a folder with what the teacher saw in it, listed or found now; by name."""
    known = teacher.listed(folder)
    if known is None and find is None:
        raise FileNotFoundError(f"no {teacher.LISTING} in {folder} and no teacher to write one: set scenes.teacher")
    photos = []
    for path in _bar(teacher.pictures(folder), folder.name, quiet):
        image = teacher.read_rgb(path)
        rows = np.full((0, 15), np.nan)
        if find is not None and (known is None or path.name in known):  # a picture without listed faces has none
            rows = find(image)
        for listed in known.get(path.name, ()) if known else ():
            if not len(rows) or teacher.overlaps(listed[:4], rows[:, :4]).max() < 0.4:
                rows = np.vstack([rows, [*listed[:4], *[np.nan] * 10, listed[4]]])
        boxes = np.concatenate([rows[:, :2], rows[:, :2] + rows[:, 2:4]], 1).astype(np.float32)
        points = rows[:, 4:14].reshape(-1, 5, 2).astype(np.float32)
        luma = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
        photos.append(Photo(path.name, luma, boxes, points, rows[:, 14].astype(np.float32)))
    return photos


def _shrunk(
    luma: NDArray[np.uint8],
    alpha: NDArray[np.uint8],
    box: NDArray[np.float32],
    points: NDArray[np.float32],
    most_px: int,
) -> Cutout:
    scale = min(1.0, most_px / max(luma.shape))
    if scale < 1:
        size = [max(1, round(side * scale)) for side in luma.shape[::-1]]
        factors = np.array([size[0] / luma.shape[1], size[1] / luma.shape[0]], np.float32)
        luma, alpha = (cv2.resize(each, size, interpolation=cv2.INTER_AREA) for each in (luma, alpha))
        box, points = box * np.tile(factors, 2), points * factors
    return Cutout(np.asarray(luma, np.uint8), np.asarray(alpha, np.uint8), box, points)


def _spread(rows: NDArray[np.intp], most: int) -> NDArray[np.intp]:
    return rows if not most or len(rows) <= most else rows[np.linspace(0, len(rows) - 1, most).astype(np.intp)]


def _bar(items: Sequence[T] | NDArray[np.intp], what: str, quiet: bool) -> Iterable[T]:
    return track(items, f"reading {what}", disable=quiet or len(items) < 100, transient=True)  # type: ignore[return-value]


def _optional(path: str, what: str, reader):  # type: ignore[no-untyped-def]
    """What a reader finds at a path, or None and a line in the log where there is nothing."""
    if not path:
        return None
    try:
        return reader(Path(path).expanduser())
    except FileNotFoundError as error:
        if what:
            log.warning("scenes.%s is left out: %s", what, error)
        return None

"""How well a found face is framed: FER+ faces are put into pictures, found again, and compared.

    python -m tests.load.framing --data ../shared/data/ferplus --backgrounds ../shared/data/backgrounds [--yunet FILE]

The expression classifiers learn from faces as FER2013 frames them. So the square that detection cuts should be the
square that was put in. For each size this prints how many faces were found, and the median and the spread (standard
deviation) of what is left: the log of found ÷ true side, and the shift of the centre as a share of the true side. The
medians belong into the finder's `FRAMING`, the spreads into the classifier's augmentation. Training rows only.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from services.detection.cascade import CascadeFinder
from services.detection.detector import Finder
from services.detection.yunet import YuNetFinder
from services.domain import RGB, Square
from training.data import ferplus

SIDES_PX = (64, 96, 128, 192, 256, 320)
_LONG_PX = 640
_SAME = 0.5  # a square whose centre is within this share of the true side, and its size within a factor of 2, is found


@dataclass(frozen=True, slots=True)
class Residuals:
    """What is left between the found and the true squares, `[n]` each, of `tried` faces.

    Attributes:
        scale: log(found side ÷ true side).
        shift_x: (found - true) centre ÷ true side, to the right.
        shift_y: the same, downwards.
    """

    tried: int
    scale: NDArray[np.float64]
    shift_x: NDArray[np.float64]
    shift_y: NDArray[np.float64]


def paste(face: NDArray[np.uint8], background: RGB, side_px: int, rng: np.random.Generator) -> tuple[RGB, Square]:
    """A grey face `[48, 48]` enlarged to `side_px`, somewhere in the background; and where.

    The background is enlarged where the face would not fit.
    """
    height, width = background.shape[:2]
    room = side_px / min(height, width)
    if room > 1:
        background = cv2.resize(background, None, fx=room + 0.01, fy=room + 0.01, interpolation=cv2.INTER_LINEAR)
        height, width = background.shape[:2]
    left, top = (int(rng.integers(0, length - side_px + 1)) for length in (width, height))
    picture = background.copy()
    large = cv2.resize(face, (side_px, side_px), interpolation=cv2.INTER_CUBIC)
    picture[top : top + side_px, left : left + side_px] = large[..., None]
    return picture, Square(left + side_px / 2, top + side_px / 2, float(side_px))


def residuals(
    finder: Finder, faces: NDArray[np.uint8], backgrounds: list[RGB], side_px: int, rng: np.random.Generator
) -> Residuals:
    """Put each face `[n, 48, 48]` into the next background at `side_px`, find it, compare."""
    rows: list[tuple[float, float, float]] = []
    for number, face in enumerate(faces):
        picture, true = paste(face, backgrounds[number % len(backgrounds)], side_px, rng)
        found = [_residual(finder.frame(each), true) for each in finder.find(picture)]
        near = [row for row in found if max(map(abs, row[1:])) < _SAME and abs(row[0]) < np.log(2)]
        if near:
            rows.append(min(near, key=lambda row: float(np.square(row).sum())))
    table = np.array(rows, np.float64).reshape(-1, 3)
    return Residuals(len(faces), table[:, 0], table[:, 1], table[:, 2])


def backgrounds_without_faces(folder: Path, count: int, rng: np.random.Generator) -> list[RGB]:
    """`count` pictures at a long side of 640 px; those that `yunet_faces.json`, if there is one, lists are left out."""
    listed = folder / "yunet_faces.json"
    with_faces = set(json.loads(listed.read_text())) if listed.exists() else set()
    paths = [path for path in sorted(folder.glob("*.jpg")) if path.name not in with_faces]
    pictures = []
    for path in rng.permutation(np.array(paths))[:count]:
        picture = cv2.cvtColor(cv2.imread(str(path)), cv2.COLOR_BGR2RGB)
        factor = _LONG_PX / max(picture.shape)
        pictures.append(cv2.resize(picture, None, fx=factor, fy=factor, interpolation=cv2.INTER_LINEAR))
    return pictures


def _residual(found: Square, true: Square) -> tuple[float, float, float]:
    return (
        float(np.log(found.side / true.side)),
        (found.centre_x - true.centre_x) / true.side,
        (found.centre_y - true.centre_y) / true.side,
    )


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description="How well found faces are framed.")
    parser.add_argument("--data", type=Path, required=True, help="the FER+ folder")
    parser.add_argument("--backgrounds", type=Path, required=True, help="a folder of pictures")
    parser.add_argument("--yunet", type=Path, help="measure YuNet from this file, and not the cascade")
    parser.add_argument("--faces", type=int, default=100, help="faces for each size")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()

    cv2.setNumThreads(1)
    rng = np.random.default_rng(options.seed)
    faces = ferplus.read(options.data).train.faces
    backgrounds = backgrounds_without_faces(options.backgrounds, options.faces, rng)
    finder: Finder = YuNetFinder(options.yunet) if options.yunet else CascadeFinder()

    table = Table("side px", "found", "scale", "±", "shift x", "±", "shift y", "±", title="median and spread")
    every = []
    for side_px in SIDES_PX:
        chosen = faces[rng.choice(len(faces), options.faces, replace=False)]
        every.append(residuals(finder, chosen, backgrounds, side_px, rng))
        table.add_row(str(side_px), *_cells(every[-1]))
    together = Residuals(
        sum(each.tried for each in every),
        np.concatenate([each.scale for each in every]),
        np.concatenate([each.shift_x for each in every]),
        np.concatenate([each.shift_y for each in every]),
    )
    table.add_row("all", *_cells(together))
    Console().print(table)


def _cells(of: Residuals) -> list[str]:
    cells = [f"{len(of.scale) / of.tried:.0%}"]
    for values in (of.scale, of.shift_x, of.shift_y):
        cells += [f"{np.median(values):+.3f}", f"{values.std():.3f}"] if len(values) else ["", ""]
    return cells


if __name__ == "__main__":
    main()

"""A look at a corpus: contact sheets and a table of what is in it, `sheet.jpg`, `truth.jpg`, `statistics.md`; beside
photographs, `beside.jpg`."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from training.clay.corpus import ACTION_UNITS, Corpus
from training.data.faces import EXPRESSIONS

TILE_PX = 128


def write(corpus: Corpus, columns: int = 12, rows: int = 10) -> Path:
    """Write all three beside the manifest; returns the table's path."""
    chosen = np.linspace(0, len(corpus) - 1, min(len(corpus), columns * rows)).astype(int)
    plain = [_tile(corpus.image(row)) for row in chosen]
    cv2.imwrite(str(corpus.folder / "sheet.jpg"), _laid_out(plain, columns)[..., ::-1])
    drawn = [_tile(_with_truth(corpus, row)) for row in chosen]
    cv2.imwrite(str(corpus.folder / "truth.jpg"), _laid_out(drawn, columns)[..., ::-1])
    page = corpus.folder / "statistics.md"
    page.write_text(statistics(corpus))
    return page


def beside(corpus: Corpus, photos: Path, columns: int = 12, rows: int = 4) -> Path:
    """Write `beside.jpg`: rows of photographed faces above rows of rendered ones; returns its path.

    Args:
        photos: a folder of photographs with `yunet_faces.json`: by the picture's name, rows of x, y, width, height,
            score.

    Raises:
        FileNotFoundError: no such list, or no face in it.
    """
    listing = photos.expanduser() / "yunet_faces.json"
    if not listing.exists():
        raise FileNotFoundError(f"no {listing.name} in {photos}: it says where the faces are")
    real = []
    for name, boxes in sorted(json.loads(listing.read_text()).items()):
        image = cv2.imread(str(listing.with_name(name)), cv2.IMREAD_COLOR)
        if image is None:
            continue
        for x, y, width, height, _ in boxes:
            # as much of the surroundings as a rendered picture shows
            side = round(max(width, height) / 0.6)
            middle = (x + width / 2, y + height / 2)
            patch = cv2.getRectSubPix(image, (side, side), middle)
            if min(width, height) >= TILE_PX / 4:
                real.append(_tile(np.ascontiguousarray(patch[..., ::-1])))
    if not real:
        raise FileNotFoundError(f"{listing} names no face that is large enough to be shown")
    count = min(len(real), columns * rows)
    chosen = np.linspace(0, len(corpus) - 1, count).astype(int)
    picked = [real[at] for at in np.linspace(0, len(real) - 1, count).astype(int)]
    sheet = [_laid_out(picked, columns), _laid_out([_tile(corpus.image(row)) for row in chosen], columns)]
    path = corpus.folder / "beside.jpg"
    cv2.imwrite(str(path), np.concatenate(sheet)[..., ::-1])
    return path


def statistics(corpus: Corpus) -> str:
    """What the corpus holds, as Markdown."""
    scales = np.sqrt(corpus.box[:, 2] * corpus.box[:, 3])
    heads, scenes = len(np.unique(corpus.identity)), len(np.unique(corpus.scene))
    lines = [
        f"{len(corpus):,} pictures of {heads:,} heads in {scenes:,} scenes.",
        "",
        "| | 5 % | median | 95 % |",
        "|---|---|---|---|",
    ]
    for name, values in (
        ("face, px", scales),
        ("yaw, degrees", corpus.pose[:, 0]),
        ("pitch, degrees", corpus.pose[:, 1]),
        ("roll, degrees", corpus.pose[:, 2]),
        ("visible landmarks of 68", corpus.visible.sum(1)),
    ):
        low, middle, high = np.nanquantile(values, (0.05, 0.5, 0.95))
        lines.append(f"| {name} | {low:.0f} | {middle:.0f} | {high:.0f} |")
    for title, values in (
        ("expression", np.where(corpus.expression == "", "(none of the seven)", corpus.expression)),
        ("material", corpus.material),
        ("light", corpus.light),
        ("posture", corpus.posture),
    ):
        names, counts = np.unique(values, return_counts=True)
        order = [name for name in EXPRESSIONS if name in names] + [name for name in names if name not in EXPRESSIONS]
        share = dict(zip(names, counts / len(corpus), strict=True))
        lines += ["", f"| {title} | share |", "|---|---|"] + [f"| {name} | {share[name]:.1%} |" for name in order]
    lines += ["", "| action unit | above .1 | mean where above | above .5 |", "|---|---|---|---|"]
    for name, values in zip(ACTION_UNITS, corpus.action_units.T, strict=True):
        active = values > 0.1
        mean = values[active].mean() if active.any() else 0.0
        lines.append(f"| {name} | {active.mean():.1%} | {mean:.2f} | {(values > 0.5).mean():.1%} |")
    return "\n".join(lines) + "\n"


def _tile(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    how = cv2.INTER_AREA if image.shape[0] > TILE_PX else cv2.INTER_LINEAR
    return cv2.resize(image, (TILE_PX, TILE_PX), interpolation=how).astype(np.uint8)


def _with_truth(corpus: Corpus, row: int) -> NDArray[np.uint8]:
    """Landmarks, green where visible and red where hidden, and the box, on an enlarged picture."""
    image = corpus.image(row)
    factor = 2 * TILE_PX / image.shape[0]
    large = cv2.resize(image, (2 * TILE_PX, 2 * TILE_PX), interpolation=cv2.INTER_LINEAR)
    for (x, y), seen in zip(corpus.landmarks[row] * factor, corpus.visible[row], strict=True):
        if np.isfinite(x):
            cv2.circle(large, (round(float(x)), round(float(y))), 2, (0, 255, 0) if seen else (255, 60, 60), -1)
    if np.isfinite(corpus.box[row]).all():
        x, y, width, height = (corpus.box[row] * factor).astype(int)
        cv2.rectangle(large, (int(x), int(y)), (int(x + width), int(y + height)), (255, 255, 255), 1)
    return large.astype(np.uint8)


def _laid_out(tiles: list[NDArray[np.uint8]], columns: int) -> NDArray[np.uint8]:
    empty = np.zeros_like(tiles[0])
    tiles = tiles + [empty] * (-len(tiles) % columns)
    return np.concatenate([np.concatenate(tiles[at : at + columns], 1) for at in range(0, len(tiles), columns)])

"""Rendered statues as the classifier will be served them: found box, landmarks, aligned square, luma.

The crops are cut by an exported landmarker exactly as the services cut them, from boxes that are a little off as a
detector's are. They are kept beside the corpus, in `crops_<landmarker>_<side>.npz`, because cutting takes minutes.
"""

from __future__ import annotations

import hashlib
import logging
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from training.clay import corpus as clay
from training.data.faces import EXPRESSIONS, NO_EXPRESSION, FaceTable, clearly_shown, held_out, one_hot

LOG = logging.getLogger("mien.training")
SIDE_PX = 112  # as served
HELD_OUT = 0.08  # of the identities, to choose the best epoch on
MIN_INTENSITY = 0.3  # a weaker expression is not learnt from: nobody could tell it from neutral
_BOX_OFF, _BOX_SIZE = 0.05, 0.08  # how far a detector's box is off, as shares of its size (standard deviations)


@dataclass(frozen=True, slots=True)
class Statues:
    """Crops of a corpus with known expressions; `intensity` `[n]` in [0, 1], `identity` `[n]`, `row` `[n]` in it,
    `size` `[n]`: the band of the face's size in pixels (`clay.size_names`)."""

    table: FaceTable
    intensity: NDArray[np.float32]
    identity: NDArray[np.str_]
    row: NDArray[np.int64]
    size: NDArray[np.str_]

    def take(self, chosen: NDArray[np.bool_]) -> Statues:
        rows = np.flatnonzero(chosen)
        return Statues(
            self.table.take(rows), self.intensity[rows], self.identity[rows], self.row[rows], self.size[rows]
        )

    @property
    def clear(self) -> NDArray[np.bool_]:
        return clearly_shown(self.table.labels, self.intensity)


def read(folder: Path, landmarker: Path, with_units: bool = False) -> Statues:
    """All pictures of a corpus that show one of the seven expressions, cropped as served.

    Targets are graded: an expression at intensity i < .8 is partly neutral, as people would vote.

    Args:
        with_units: also the pictures of other faces whose action units are known, as `NO_EXPRESSION`.

    Raises:
        FileNotFoundError: no corpus or no landmarker; says the command that makes it.
    """
    corpus = clay.read(folder.expanduser())
    labels, targets = labelled(corpus)
    shown = labels != NO_EXPRESSION
    known = shown | np.isfinite(corpus.action_units).all(1) if with_units else shown
    rows = np.flatnonzero(known & np.isfinite(corpus.box).all(1))
    faces, units = _crops(corpus, rows, landmarker), corpus.action_units[rows].astype(np.float32)
    table = FaceTable(faces, targets[rows], labels[rows], units)
    return Statues(table, corpus.intensity[rows], corpus.identity[rows], rows, clay.size_names(corpus.box[rows]))


def labelled(corpus: clay.Corpus) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Labels `[n]` and graded targets `[n, 7]` of all pictures; one that shows none of the seven, or too weakly to be
    learnt from, is `NO_EXPRESSION` with a target of zeros."""
    shown = np.isin(corpus.expression, EXPRESSIONS)
    shown &= (corpus.expression == "neutral") | (corpus.intensity >= MIN_INTENSITY)
    labels = np.full(len(corpus), NO_EXPRESSION, np.int64)
    labels[shown] = [EXPRESSIONS.index(name) for name in corpus.expression[shown]]
    share = np.clip(0.4 + 0.75 * corpus.intensity, 0, 1)[:, None].astype(np.float32)
    share[labels == 0] = 1
    targets = share * one_hot(labels) + (1 - share) * one_hot(np.zeros_like(labels))
    targets[~shown] = 0
    return labels, targets


def joined(several: Sequence[Statues]) -> Statues:
    """The statues of several corpora, one after the other; `row` is each one's own."""
    parts = [(*_columns(one.table), one.intensity, one.identity, one.row, one.size) for one in several]
    faces, targets, labels, units, *rest = (np.concatenate(column) for column in zip(*parts, strict=True))
    return Statues(FaceTable(faces, targets, labels, units), *rest)


def held_out_split(statues: Statues) -> tuple[Statues, Statues]:
    """(training, validation) by identity."""
    apart = {name: held_out(name, HELD_OUT) for name in np.unique(statues.identity)}
    validation = np.array([apart[name] for name in statues.identity], bool)
    return statues.take(~validation), statues.take(validation)


def mixed(people: FaceTable, statues: FaceTable) -> FaceTable:
    """Both in one table, people's faces enlarged to the statues' side."""
    parts = [_columns(enlarged(people, SIDE_PX)), _columns(statues)]
    return FaceTable(*(np.concatenate(column) for column in zip(*parts, strict=True)))


def enlarged(people: FaceTable, side_px: int) -> FaceTable:
    """The same faces at `side_px`."""
    large = np.stack([cv2.resize(face, (side_px, side_px), interpolation=cv2.INTER_LINEAR) for face in people.faces])
    return replace(people, faces=large.astype(np.uint8))


def _columns(table: FaceTable) -> tuple[NDArray[np.generic], ...]:
    """Of faces whose units nobody knows, these are NaN."""
    unknown = np.full((len(table), len(clay.ACTION_UNITS)), np.nan, np.float32)
    return table.faces, table.targets, table.labels, unknown if table.units is None else table.units


def _crops(corpus: clay.Corpus, rows: NDArray[np.int64], landmarker: Path) -> NDArray[np.uint8]:
    """Luma `[n, SIDE_PX, SIDE_PX] uint8`. What this landmarker has cut before is read from beside the corpus, and what
    it cuts now is added to it: a corpus that has grown has only its new pictures cut."""
    if not landmarker.exists():
        raise FileNotFoundError(f"no landmarker at {landmarker}: export one first (mien export CONFIG)")
    kept = corpus.folder / f"crops_{hashlib.sha256(landmarker.read_bytes()).hexdigest()[:12]}_{SIDE_PX}.npz"
    index, faces = np.zeros(0, corpus.index.dtype), np.zeros((0, SIDE_PX, SIDE_PX), np.uint8)
    if kept.exists():
        with np.load(kept) as found:
            index, faces = found["index"], found["faces"]
    missing = rows[~np.isin(corpus.index[rows], index)]
    if len(missing):
        index = np.concatenate([index, corpus.index[missing]])
        faces = np.concatenate([faces, _cut(corpus, missing, landmarker)])
        aside = kept.with_name(f"{kept.name}.{os.getpid()}.npz")  # several processes of a run may cut at once
        np.savez(aside, index=index, faces=faces)
        aside.replace(kept)
    order = np.argsort(index)
    return faces[order[np.searchsorted(index, corpus.index[rows], sorter=order)]]


def _cut(corpus: clay.Corpus, rows: NDArray[np.int64], landmarker: Path) -> NDArray[np.uint8]:
    from training.shape import align

    LOG.info("cutting %d crops of %s as the services would", len(rows), corpus.folder.name)
    model = align.landmarker(landmarker)

    def one(row: np.int64) -> NDArray[np.uint8]:
        random = np.random.default_rng((7, int(corpus.index[row])))
        x, y, width, height = corpus.box[row]
        size = float(np.exp(random.normal(0, _BOX_SIZE)))
        middle = np.array([x + width / 2, y + height / 2]) + random.normal(0, _BOX_OFF, 2) * (width * height) ** 0.5
        box = np.array([*(middle - np.array([width, height]) * size / 2), width * size, height * size], np.float32)
        crop = align.aligned(corpus.image(int(row)), box, None, model, SIDE_PX)
        return crop if crop.ndim == 2 else cv2.cvtColor(crop, cv2.COLOR_RGB2GRAY)

    with ThreadPoolExecutor(os.cpu_count()) as pool:  # decoding, warping and the landmarker leave Python's lock alone
        return np.stack(list(pool.map(one, rows)))

"""The data sources that a configuration may name: `ferplus`, `rafdb` and `folder`, one file each beside this one."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from training.data import ferplus, folder, rafdb, statues
from training.data.faces import Split

SOURCES = {"ferplus": ferplus.read, "rafdb": rafdb.read, "folder": folder.read}


def read(source: str, path: str, rows: int = 0) -> Split:
    """Read a source's training and validation faces.

    Args:
        source: one of `SOURCES`.
        path: where it lies; `~` is the home folder.
        rows: keep only the first so many training rows (0: all); validation always has all of its rows.

    Raises:
        ValueError: an unknown source, or a row count below 0; what the reader itself finds wrong.
        FileNotFoundError: from the reader, with a sentence on what to put there.
    """
    if source not in SOURCES:
        raise ValueError(f"unknown data source {source!r}: choose one of {', '.join(SOURCES)}")
    if rows < 0:
        raise ValueError(f"rows must be 0 (all) or more, not {rows}")
    split = SOURCES[source](Path(path).expanduser())
    if not rows:
        return split
    return Split(split.train.take(np.arange(min(rows, len(split.train)))), split.validation)


def with_statues(split: Split, corpora: Sequence[str], landmarker: str, with_units: bool = False) -> Split:
    """The same split with the faces of rendered corpora among its training rows, and their held-out heads beside
    validation; `with_units` as `statues.read` takes it.

    Raises:
        FileNotFoundError: no such corpus or landmarker; says the command that makes it.
    """
    found = [statues.read(Path(corpus), Path(landmarker), with_units) for corpus in corpora]
    training, validation = statues.held_out_split(statues.joined(found))
    train = statues.mixed(split.train, training.table)
    return Split(train, split.validation, validation.take(validation.clear).table, len(training.table))

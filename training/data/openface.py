"""Action units that OpenFace 2 wrote: a folder of CSV files, one for each picture or sequence.

`FaceLandmarkImg -aus` writes a row for each face of a picture, `FeatureExtraction -aus` a row for each frame. Where a
column stands depends on the version and its flags, and the header has spaces after its commas in some: columns are read
by their stripped names. OpenFace's intensities run from 0 to 5; here they are divided by 5.
"""

from __future__ import annotations

import csv
from collections import Counter
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from training.clay.corpus import ACTION_UNITS

MIN_CONFIDENCE = 0.8
HIGHEST = 5.0


def read(folder: Path) -> tuple[NDArray[np.str_], NDArray[np.float32]]:
    """Names `[n]` and units `[n, 17]` in [0, 1], in the order of `ACTION_UNITS`, of every face that can be trusted.

    The name is the file's, without its suffix; a frame of a sequence adds `_000012`. Left out are faces with a
    confidence under .8 or without success, and pictures or frames with more than one face: nobody could say whose units
    they are.

    Raises:
        FileNotFoundError: no such folder, or no CSV file in it.
        ValueError: a column is missing, a number cannot be read, or no face is left.
    """
    files = sorted(folder.glob("*.csv"))
    if not files:
        raise FileNotFoundError(f"no CSV file in {folder}: run OpenFace (FaceLandmarkImg -fdir PICTURES -aus) first")
    names: list[str] = []
    units: list[list[float]] = []
    for file in files:
        for name, values in _faces(file):
            names.append(name)
            units.append(values)
    if not names:
        raise ValueError(f"{folder}: no picture has exactly one face with a confidence of {MIN_CONFIDENCE} or more")
    return np.array(names, np.str_), np.clip(np.array(units, np.float32) / HIGHEST, 0, 1)


def _faces(file: Path) -> list[tuple[str, list[float]]]:
    with file.open(newline="") as text:
        rows = [{str(k).strip(): v for k, v in row.items()} for row in csv.DictReader(text, skipinitialspace=True)]
    wanted = ["confidence", *(f"{name}_r" for name in ACTION_UNITS)]
    missing = [name for name in wanted if rows and name not in rows[0]]
    if missing:
        raise ValueError(f"{file}: no column {missing[0]}: run OpenFace with -aus")
    found = []
    for row in rows:
        try:
            confidence, *values = (float(row[name]) for name in wanted)
            sure = confidence >= MIN_CONFIDENCE and float(row.get("success") or 1) > 0
            frame = f"_{int(float(row['frame'])):06d}" if "frame" in row else ""
        except (TypeError, ValueError):
            raise ValueError(
                f"{file}: a row has something else than numbers: was the file written to its end?"
            ) from None
        found.append((f"{file.stem}{frame}", values, sure))
    faces = Counter(name for name, _, _ in found)
    return [(name, values) for name, values, sure in found if sure and faces[name] == 1]

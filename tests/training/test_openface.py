"""OpenFace's CSV files: read by name, whatever their flags and separators were."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from training.clay.corpus import ACTION_UNITS
from training.data import openface

COLUMNS = [f"{name}_r" for name in ACTION_UNITS]


def write(path: Path, first: list[str], rows: list[list[float]], between: str = ", ") -> None:
    """The units' columns stand behind `first`, in reverse order."""
    path.parent.mkdir(exist_ok=True)
    head = between.join([*first, *reversed(COLUMNS)])
    path.write_text("\n".join([head, *(between.join(map(str, row)) for row in rows)]) + "\n")


def test_columns_are_found_by_name_and_divided_by_five(tmp_path: Path) -> None:
    values = [5 - at / 4 for at in range(17)]
    write(tmp_path / "anna.csv", ["face", "confidence"], [[0, 0.95, *reversed(values)]])
    write(tmp_path / "bert.csv", ["face", "confidence"], [[0, 0.8, *([9.0] * 17)]], between=",")
    names, units = openface.read(tmp_path)
    assert names.tolist() == ["anna", "bert"]
    np.testing.assert_allclose(units[0], np.array(values) / 5, atol=1e-6)
    assert (units[1] == 1).all()
    assert units.dtype == np.float32


def test_unsure_failed_and_several_faces_are_left_out(tmp_path: Path) -> None:
    write(tmp_path / "unsure.csv", ["face", "confidence"], [[0, 0.79, *([1] * 17)]])
    write(tmp_path / "two.csv", ["face", "confidence"], [[0, 0.9, *([1] * 17)], [1, 0.9, *([2] * 17)]])
    frames = [[1, 0.9, 1, *([1] * 17)], [2, 0.9, 0, *([1] * 17)], [3, 0.9, 1, *([2] * 17)]]
    write(tmp_path / "film.csv", ["frame", "confidence", "success"], frames)
    names, _ = openface.read(tmp_path)
    assert names.tolist() == ["film_000001", "film_000003"]


def test_what_is_wrong_is_told(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="run OpenFace"):
        openface.read(tmp_path)
    (tmp_path / "one.csv").write_text("face, confidence, AU01_r\n0, 0.9, 1\n")
    with pytest.raises(ValueError, match="no column AU02_r: run OpenFace with -aus"):
        openface.read(tmp_path)
    write(tmp_path / "one.csv", ["confidence"], [[0.9, *(["x"] * 17)]])
    with pytest.raises(ValueError, match="something else than numbers"):
        openface.read(tmp_path)
    write(tmp_path / "one.csv", ["confidence"], [[0.2, *([1] * 17)]])
    with pytest.raises(ValueError, match="exactly one face"):
        openface.read(tmp_path)

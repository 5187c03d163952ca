"""Parts → one table, whatever came first."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from mien import results
from mien.batch.merge import merge
from mien.batch.parts import Answer, Parts
from mien.batch.sources import Photo


@pytest.mark.parametrize("suffix", [".parquet", ".csv", ".jsonl"])
def test_the_bytes_do_not_depend_on_the_order_of_arrival(
    tmp_path: Path, suffix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mien.batch.merge.ROWS", 8)
    names = [f"{number:02}" for number in range(30)]
    tables = []
    for seed, images in ((0, 30), (1, 4), (2, 7)):
        folder = tmp_path / f"{seed}"
        folder.mkdir()
        parts = Parts(folder, images)
        for name in random.Random(seed).sample(names, len(names)):
            rows = [results.row_of_error(name, "internal", "Broken.") | {"face": face} for face in range(3)]
            parts.add(Answer(Photo(name, name, 1, 1), rows))
        parts.flush()
        merge(parts.paths(), tmp_path / f"table{suffix}")
        tables.append((tmp_path / f"table{suffix}").read_bytes())
    assert len(set(tables)) == 1
    table = results.read([tmp_path / f"table{suffix}"])
    assert table["image"].to_pylist() == [name for name in names for _ in range(3)]
    assert table["face"].to_pylist() == [0, 1, 2] * 30

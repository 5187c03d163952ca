"""Reports: a page that needs no other file, honest dashes, and comparisons that compare."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest

from tests.training.tiny_run import config
from training import comparison, report
from training.evaluate import Evaluation, evaluate

EPOCHS = [{"epoch": e, "score": s, "accuracy": s, "macro_f1": s / 2} for e, s in ((1, 0.4), (2, 0.6), (3, 0.5))]


def scores(rows: int = 40) -> Evaluation:
    labels = np.arange(rows) % 5  # no disgust, no fear
    random = np.random.default_rng(0)
    table = random.dirichlet(np.ones(7), rows).astype(np.float32)
    table[np.arange(rows), labels] += 0.4
    return evaluate(labels, table / table.sum(1, keepdims=True))


def test_the_page_stands_alone(tmp_path: Path) -> None:
    page = report.write(tmp_path, config(), scores(), "epoch <2>", EPOCHS).read_text()
    assert page.count("<svg") == 2
    assert not re.search(r"(src|href)=\"(?!#)|@import|url\((?!#)", page), "it asks for no other file"
    assert "epoch &lt;2&gt;" in page
    assert re.search(r"<td>fear</td><td>0</td><td>[–.\d]+</td><td>–</td>", page), "no rows: a dash, never a score"
    found = json.loads((tmp_path / "report.json").read_text())
    assert found["evaluation"]["rows"] == 40
    assert found["evaluation"]["classes"]["fear"]["recall"] is None


def test_without_epochs_there_is_no_training_curve(tmp_path: Path) -> None:
    page = report.write(tmp_path, config(), scores(), "a file").read_text()
    assert page.count("<svg") == 1


def test_sizes_of_faces_are_told_apart(tmp_path: Path) -> None:
    sizes = {"0–32 px": scores(40), "32–48 px": scores(41)}
    page = report.write(tmp_path, config(), scores(), "a file", [], report.STATUES, sizes).read_text()
    assert page.index("<td>0–32 px</td><td>40</td>") < page.index("<td>32–48 px</td><td>41</td>")
    assert json.loads((tmp_path / "statues.json").read_text())["sizes"]["32–48 px"]["rows"] == 41


def test_runs_are_compared_side_by_side(tmp_path: Path) -> None:
    for name in ("one", "two"):
        report.write(tmp_path / name, config(), scores(), "a file")
    page = comparison.write([tmp_path / "one", tmp_path / "two"], tmp_path)
    table = page.with_suffix(".md").read_text().splitlines()
    assert table[0] == "|  | one | two |"
    assert table[1] == "|---|---|---|"
    assert any(line.startswith("| recall, fear | – | – |") for line in table)
    assert "<table" in page.read_text()


def test_statues_of_each_size_are_compared(tmp_path: Path) -> None:
    for name in ("people", "both"):
        report.write(tmp_path / name, config(), scores(), "a file")
    report.write(tmp_path / "both", config(), scores(), "a file", [], report.STATUES, {"0–32 px": scores()})
    table = comparison.write([tmp_path / "people", tmp_path / "both"], tmp_path).with_suffix(".md").read_text()
    assert re.search(r"\| rendered statues of 0–32 px: mean recall \| – \| \d+\.\d \|", table)


def test_statues_of_further_corpora_have_reports_and_rows_of_their_own(tmp_path: Path) -> None:
    for name in ("people", "both"):
        report.write(tmp_path / name, config(), scores(), "a file")
    page = report.write(tmp_path / "both", config(), scores(), "a file", [], f"{report.STATUES}_other_heads")
    assert page.name == "statues_other_heads.html"
    assert "Nothing was chosen on these faces" in page.read_text()
    table = comparison.write([tmp_path / "people", tmp_path / "both"], tmp_path).with_suffix(".md").read_text()
    assert re.search(r"\| rendered statues of other_heads: mean recall \| – \| \d+\.\d \|", table)


def test_scores_on_different_faces_are_not_compared(tmp_path: Path) -> None:
    report.write(tmp_path / "one", config(), scores(), "a file")
    report.write(tmp_path / "two", config(), scores(50), "a file")
    with pytest.raises(ValueError, match="different faces"):
        comparison.read([tmp_path / "one", tmp_path / "two"])
    with pytest.raises(FileNotFoundError, match="mien evaluate"):
        comparison.read([tmp_path / "three"])
    with pytest.raises(ValueError, match="at least one"):
        comparison.read([])

"""Rendered statues in the classifier's training: cropped as served, graded, apart by head, kept on disk."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow
import pyarrow.parquet
import pytest

from tests.training.shape import tiny_corpus
from training.data import sources, statues
from training.data.faces import CLEAR_INTENSITY, EXPRESSIONS, NO_EXPRESSION, FaceTable, Split, one_hot
from training.shape import align


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    """Drawn heads that are said to show one expression after the other, at all intensities."""
    folder = tiny_corpus.write(tmp_path / "corpus", 24, 3)
    table = pyarrow.parquet.read_table(folder / "manifest.parquet")
    shown = [EXPRESSIONS[row % 7] for row in range(len(table))]
    intensity = [0.0 if name == "neutral" else (row % 10) / 10 + 0.1 for row, name in enumerate(shown)]
    for name, values in (("expression", shown), ("intensity", intensity)):
        table = table.set_column(table.column_names.index(name), name, pyarrow.array(values))
    pyarrow.parquet.write_table(table, folder / "manifest.parquet")
    return folder


@pytest.fixture
def landmarker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A landmarker that always finds the default frame, and counts its calls in a list beside it."""
    path = tmp_path / "landmarker.onnx"
    path.write_bytes(b"which one it is")
    asked: list[int] = []

    def model(crops: np.ndarray) -> dict[str, np.ndarray]:  # type: ignore[type-arg]
        asked.append(len(crops))
        many = len(crops)
        return {
            "landmarks": np.full((many, 68, 2), 0.5, np.float32),
            "action_units": np.zeros((many, 17), np.float32),
            "quality": np.full((many, 1), 0.9, np.float32),
            "frame": np.tile(np.float32([0.5, 0.489, 0.74, 0.0]), (many, 1)),
        }

    monkeypatch.setattr(align, "landmarker", lambda _: model)
    monkeypatch.setattr(statues, "ASKED", asked, raising=False)
    return path


def test_faces_are_cropped_once_and_kept_beside_the_corpus(corpus: Path, landmarker: Path) -> None:
    asked: list[int] = statues.ASKED  # type: ignore[attr-defined]
    first = statues.read(corpus, landmarker)
    assert first.table.faces.shape == (len(first.row), statues.SIDE_PX, statues.SIDE_PX)
    assert first.table.faces.std() > 10  # a face, not a border
    many = len(asked)
    assert many >= len(first.row)
    again = statues.read(corpus, landmarker)
    assert len(asked) == many
    assert (again.table.faces == first.table.faces).all()
    landmarker.write_bytes(b"another one")
    statues.read(corpus, landmarker)
    assert len(asked) > many  # crops of another landmarker are not these


def test_a_corpus_that_has_grown_has_only_its_new_pictures_cut(corpus: Path, landmarker: Path) -> None:
    asked: list[int] = statues.ASKED  # type: ignore[attr-defined]
    whole = pyarrow.parquet.read_table(corpus / "manifest.parquet")
    pyarrow.parquet.write_table(whole.slice(0, 10), corpus / "manifest.parquet")
    fewer = len(statues.read(corpus, landmarker).row)
    before = len(asked)
    pyarrow.parquet.write_table(whole, corpus / "manifest.parquet")
    grown = statues.read(corpus, landmarker)
    added = len(asked) - before
    for kept in corpus.glob("crops_*"):
        kept.unlink()
    asked.clear()
    at_once = statues.read(corpus, landmarker)
    assert 0 < fewer < len(at_once.row)
    assert added == len(asked) - before < len(asked)
    assert (grown.table.faces == at_once.table.faces).all()


def test_only_known_and_visible_expressions_are_learnt_and_weak_ones_are_partly_neutral(
    corpus: Path, landmarker: Path
) -> None:
    found = statues.read(corpus, landmarker)
    shown = found.table.labels != 0
    assert (found.intensity[shown] >= statues.MIN_INTENSITY).all()
    np.testing.assert_allclose(found.table.targets.sum(1), 1, atol=1e-6)
    strong, weak = shown & (found.intensity >= 0.8), shown & (found.intensity < 0.6)
    rows = np.arange(len(found.row))
    assert (found.table.targets[rows, found.table.labels][strong] == 1).all()
    assert (found.table.targets[:, 0][weak] > 0).all()
    assert found.clear[shown].tolist() == (found.intensity[shown] >= CLEAR_INTENSITY).tolist()


def test_faces_without_an_expression_are_there_for_their_units_and_have_no_target(
    corpus: Path, landmarker: Path
) -> None:
    table = pyarrow.parquet.read_table(corpus / "manifest.parquet")
    shown = [name if row % 3 else "" for row, name in enumerate(table["expression"].to_pylist())]
    table = table.set_column(table.column_names.index("expression"), "expression", pyarrow.array(shown))
    pyarrow.parquet.write_table(table, corpus / "manifest.parquet")
    fewer, found = statues.read(corpus, landmarker), statues.read(corpus, landmarker, with_units=True)
    without = found.table.labels == NO_EXPRESSION
    assert without.any()
    assert set(fewer.row) == set(found.row[~without])
    assert (found.table.targets[without] == 0).all()
    assert not found.clear[without].any()
    assert found.table.units is not None
    assert np.isfinite(found.table.units[without]).all()
    people = FaceTable(np.zeros((3, 48, 48), np.uint8), one_hot(np.arange(3)), np.arange(3))
    units = statues.mixed(people, found.table).units
    assert units is not None
    assert np.isnan(units[:3]).all()
    np.testing.assert_array_equal(units[3:], found.table.units)


def test_no_head_is_on_both_sides_and_people_are_enlarged_beside_statues(
    corpus: Path, landmarker: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(statues, "HELD_OUT", 0.3)
    training, validation = statues.held_out_split(statues.read(corpus, landmarker))
    assert not set(training.identity) & set(validation.identity)
    assert len(validation.row)
    labels = np.arange(7)
    people = FaceTable(np.full((7, 48, 48), 99, np.uint8), one_hot(labels), labels)
    split = sources.with_statues(Split(people, people), [str(corpus)], str(landmarker))
    assert len(split.train) == 7 + len(training.row)
    assert (split.train.faces[:7] == 99).all()
    assert split.train_statues == len(training.row)
    assert split.validation is people
    assert split.statues is not None
    assert len(split.statues) == validation.clear.sum()


def test_several_corpora_are_learnt_one_after_the_other(corpus: Path, landmarker: Path, tmp_path: Path) -> None:
    other = tiny_corpus.write(tmp_path / "other", 12, 4)
    people = FaceTable(np.zeros((7, 48, 48), np.uint8), one_hot(np.arange(7)), np.arange(7))
    parts = [statues.read(folder, landmarker, with_units=True) for folder in (corpus, other)]
    both = statues.joined(parts)
    assert len(both.row) == len(parts[0].row) + len(parts[1].row)
    assert both.table.units is not None
    np.testing.assert_array_equal(both.table.faces[len(parts[0].row) :], parts[1].table.faces)
    split = sources.with_statues(Split(people, people), [str(corpus), str(other)], str(landmarker), with_units=True)
    training, validation = statues.held_out_split(both)
    assert split.train_statues == len(training.row)
    assert split.statues is not None
    assert len(split.statues) == validation.clear.sum()

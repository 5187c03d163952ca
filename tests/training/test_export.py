"""Export: whole versions or none, numbered, with a card; the smaller forms are as good."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch

from tests.training.tiny_run import config, patterned
from training import checkpoint, export, gate, quantise
from training.arm import networks
from training.config import as_dict
from training.data.faces import Split
from training.evaluate import as_served, of_file, predict

ROLE = "expression_classifier"


@pytest.fixture
def split() -> Split:
    return Split(patterned(70), patterned(42))


@pytest.fixture
def run(small: None, tmp_path: Path) -> Path:
    """A finished run's folder."""
    folder = tmp_path / "run"
    folder.mkdir()
    wanted = config(train={"face_px": 112}, model={"method": "arm", "dropout": 0.0})
    (folder / "config.json").write_text(json.dumps(as_dict(wanted)))
    torch.manual_seed(0)
    weights = networks.build("arm").state_dict()
    checkpoint.save(folder / "best.pt", {"weights": weights, "scores": {"epoch": 1.0, "score": 0.5}})
    return folder


def entries(repository: Path) -> list[str]:
    return sorted(item.name for item in (repository / ROLE).iterdir())


def test_versions_land_whole_and_numbered(run: Path, repository: Path, split: Split) -> None:
    (repository / ROLE / "7").mkdir()
    landed = export.export(run, repository, split)
    assert landed == repository / ROLE / "8"
    assert sorted(item.name for item in landed.iterdir()) == ["card.json", "model.fp16.onnx", "model.onnx"]
    assert entries(repository) == ["7", "8", "config.pbtxt"], "nothing else is left"

    card = json.loads((landed / "card.json").read_text())
    assert card["version"] == 8
    assert card["files"]["model.onnx"]["precision"] in {"int8", "float32"}
    for name, facts in card["files"].items():
        assert facts["sha256"] == hashlib.sha256((landed / name).read_bytes()).hexdigest()
    assert card["data"]["training"]["rows"] == 70
    assert card["metrics"]["rows"] == 42
    assert "An expression shown is not an emotion felt." in card["statements"]
    assert any("Article 5(1)(f)" in text for text in card["statements"])

    exact = predict(of_file(landed / "model.onnx"), split.validation)
    half = predict(of_file(landed / "model.fp16.onnx"), split.validation)
    assert np.abs(exact - half).mean() < 0.03


def test_a_graph_that_fails_the_gate_leaves_nothing(
    run: Path, repository: Path, split: Split, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise gate.GateError("not this one")

    monkeypatch.setattr(gate, "admit", refuse)
    with pytest.raises(gate.GateError, match="not this one"):
        export.export(run, repository, split)
    assert entries(repository) == ["config.pbtxt"]


def test_8_bits_that_lose_accuracy_are_not_the_default(
    run: Path, repository: Path, split: Split, monkeypatch: pytest.MonkeyPatch
) -> None:
    close = iter([True, False])  # the 16-bit form, then the 8-bit form
    monkeypatch.setattr(export, "close_enough", lambda *_: next(close))
    landed = export.export(run, repository, split)
    assert json.loads((landed / "card.json").read_text())["files"]["model.onnx"]["precision"] == "float32"


def test_a_version_that_exists_is_never_overwritten(tmp_path: Path) -> None:
    with pytest.raises(OSError), export.landing(tmp_path) as (aside, number):
        (aside / "card.json").write_text("late")
        (tmp_path / str(number)).mkdir()
        (tmp_path / str(number) / "card.json").write_text("first")
    assert [item.name for item in tmp_path.iterdir()] == ["1"]
    assert (tmp_path / "1" / "card.json").read_text() == "first"


def test_what_fails_halfway_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(gate.GateError), export.landing(tmp_path) as (aside, _):
        (aside / "model.onnx").write_bytes(b"half")
        raise gate.GateError("it may not be served")
    assert not list(tmp_path.iterdir())


def test_a_run_at_another_size_is_refused(run: Path, repository: Path, split: Split) -> None:
    (run / "config.json").write_text(json.dumps(as_dict(config(model={"method": "arm"}))))
    with pytest.raises(ValueError, match="32 px"):
        export.export(run, repository, split)


def test_an_entry_without_a_contract_is_refused(run: Path, tmp_path: Path, split: Split) -> None:
    with pytest.raises(FileNotFoundError, match="written by hand"):
        export.export(run, tmp_path, split)


def test_8_bits_stay_close_and_depend_on_no_other_row(
    exported: Path, contract: gate.Contract, tmp_path: Path, split: Split
) -> None:
    small = tmp_path / "int8.onnx"
    quantise.to_int8(exported, small, as_served(split.train.faces, 112))
    gate.admit(small, contract, None, export.sane, export.GATE_UNITS)
    exact, quantised = (predict(of_file(path), split.validation) for path in (exported, small))
    assert np.abs(exact - quantised).mean() < 0.03
    assert small.stat().st_size < 0.7 * exported.stat().st_size
    floats = [item for item in onnx.load(small).graph.initializer if item.data_type == onnx.TensorProto.FLOAT]
    assert any(list(item.dims) == [7, 1] for item in floats), "the last layer stays float32"
    weights = [item for item in onnx.load(small).graph.initializer if item.data_type == onnx.TensorProto.INT8]
    assert max(np.abs(onnx.numpy_helper.to_array(item)).max() for item in weights) <= 64, "7 bits, so no saturation"


def test_half_precision_keeps_the_contract(exported: Path, contract: gate.Contract, tmp_path: Path) -> None:
    half = tmp_path / "half.onnx"
    quantise.to_float16(exported, half)
    gate.admit(half, contract, None, export.sane, export.GATE_UNITS)
    onnx.checker.check_model(onnx.load(half), full_check=True)
    assert half.stat().st_size < 0.75 * exported.stat().st_size


def test_calibration_faces_are_even_over_the_expressions() -> None:
    table = patterned(140)
    skewed = table.take(np.flatnonzero((table.labels != 6) | (np.arange(140) < 14)))
    counts = np.bincount(quantise.stratified(skewed, 35).labels, minlength=7)
    assert counts.tolist() == [5, 5, 5, 5, 5, 5, 2]

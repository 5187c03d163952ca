"""From a run to a version in the model repository and to a report."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import onnx
import pytest

from training import gate, quantise
from training.clay.corpus import ACTION_UNITS, Corpus
from training.config import Config
from training.export import to_onnx
from training.shape import method
from training.shape.align import aligned, landmarker
from training.shape.crops import nominal
from training.shape.frame import default_frame_shape, mean_shape, served
from training.shape.networks import Landmarker
from training.shape.squares import cut

ROOT = Path(__file__).parents[3]


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    entry = tmp_path / "model_repository" / "face_landmarker"
    entry.mkdir(parents=True)
    shutil.copy(ROOT / "model_repository" / "face_landmarker" / "config.pbtxt", entry)
    return entry.parent


def test_an_export_passes_the_gate_and_lands_whole(config: Config, run: Path, repository: Path, drawn: Corpus) -> None:
    landed = method.export(config, run, repository)
    assert landed == repository / "face_landmarker" / "1"
    assert sorted(item.name for item in landed.iterdir()) == ["card.json", "model.onnx"]
    card = json.loads(
        (landed / "card.json").read_text(), parse_constant=lambda name: pytest.fail(f"{name} in the card")
    )
    assert list(card["metrics"]["units"]) == list(ACTION_UNITS)
    precision = card["files"]["model.onnx"]["precision"]  # an untrained network may lose too much by 8 bits
    assert (landed / "model.onnx").stat().st_size < {"int8": 6_000_000, "float32": 20_000_000}[precision]
    kinds = {node.op_type for node in onnx.load(landed / "model.onnx").graph.node}
    assert not kinds & {"If", "Loop", "Scan", "SVD"}

    model = landmarker(landed / "model.onnx")
    answers = model(np.zeros((5, 112, 112, 3), np.uint8))
    assert {name: found.shape for name, found in answers.items()} == {
        "landmarks": (5, 68, 2),
        "action_units": (5, 17),
        "quality": (5, 1),
        "frame": (5, 4),
    }
    crop = aligned(drawn.image(0), drawn.box[0], None, model, 48)
    assert crop.shape == (48, 48)
    assert crop.dtype == np.uint8


def test_8_bits_end_before_the_heat_maps(network: Landmarker, repository: Path, drawn: Corpus, tmp_path: Path) -> None:
    contract = gate.read_contract(repository / "face_landmarker" / "config.pbtxt")
    exact, small = tmp_path / "exact.onnx", tmp_path / "small.onnx"
    to_onnx(served(network, default_frame_shape(mean_shape(drawn))), exact, contract)
    faces = np.stack([cut(drawn.image(row), nominal(drawn, row), 112) for row in range(8)])
    quantise.to_int8(exact, small, faces, method.HEAT_WEIGHTS, method.CLOSER_WEIGHTS)
    quantise.store_halves(small)
    kinds = {item.name: item.data_type for item in onnx.load(small).graph.initializer}
    assert kinds[method.HEAT_WEIGHTS] == onnx.TensorProto.FLOAT
    eight = [name for name, kind in kinds.items() if kind == onnx.TensorProto.INT8 and "weight" in name]
    assert any("backbone.stages" in name for name in eight)
    assert any("sharpen" in name for name in eight)
    parts = [name for name in eight if "closer" in name and name.endswith("_quantized")]
    assert len(parts) == 3 * 9  # of three parts all but the corrections
    assert kinds["network.reading.0.weight"] == onnx.TensorProto.FLOAT16  # stored, not computed in
    assert small.stat().st_size < 0.35 * exact.stat().st_size
    found, wanted = (landmarker(path)(faces)["landmarks"] for path in (small, exact))
    assert np.abs(found - wanted).mean() < 0.02


def test_another_crop_size_than_the_contract_is_refused(config: Config, run: Path, repository: Path) -> None:
    other = replace(config, train=replace(config.train, face_px=96))
    with pytest.raises(ValueError, match="trained at 96 px, but face_landmarker serves 112 px"):
        method.export(other, run, repository)


def test_answers_that_cannot_be_are_refused() -> None:
    good = {
        "landmarks": np.full((2, 68, 2), 0.5, np.float32),
        "action_units": np.zeros((2, 17), np.float32),
        "quality": np.ones((2, 1), np.float32),
        "frame": np.array([[0.5, 0.5, 0.7, 0.0]] * 2, np.float32),
    }
    method.sane(good)
    for name, wrong in (("quality", 1.2), ("action_units", -0.1), ("landmarks", 3.0), ("frame", 0.0)):
        with pytest.raises(gate.GateError):
            method.sane(good | {name: np.full_like(good[name], wrong)})


def test_the_report_has_its_tables_and_sheets(config: Config, run: Path, drawn: Corpus, tmp_path: Path) -> None:
    photos = tmp_path / "photos"
    photos.mkdir()
    cv2.imwrite(str(photos / "one.png"), drawn.image(0)[..., ::-1])
    (photos / "yunet_faces.json").write_text(
        json.dumps({"one.png": [[*drawn.box[0].tolist(), 0.9], [0, 0, 9, 9, 0.7]]})
    )
    line = method.evaluate(replace(config, shape=replace(config.shape, photos=str(photos))), run)
    assert line.startswith("Landmark error")
    assert str(run / "landmarks.md") in line
    text = (run / "landmarks.md").read_text()
    assert all(f"| {unit} |" in text for unit in ACTION_UNITS)
    assert "58 rendered heads" in text
    assert "By material" in text
    page = (run / "landmarks.html").read_text()
    for name in ("landmarks_rendered.png", "landmarks_photos.png"):
        assert name in page
        assert cv2.imread(str(run / name)) is not None


def test_a_missing_test_corpus_is_told(config: Config, run: Path) -> None:
    with pytest.raises(ValueError, match="name a test corpus"):
        method.evaluate(replace(config, shape=replace(config.shape, test="")), run)
    with pytest.raises(FileNotFoundError, match="no landmarker at"):
        method.evaluate(config, run, run / "model.onnx")

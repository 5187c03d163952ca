"""From a run to a version in the model repository and to a report."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from training import checkpoint, comparison, gate
from training.clay.corpus import ACTION_UNITS
from training.config import Config
from training.ganimation import method
from training.ganimation.networks import Generator
from training.ganimation.rendering import served
from training.shape import align

ROOT = Path(__file__).parents[3]
CONTRACT = ROOT / "model_repository" / "expression_generator" / "config.pbtxt"


@pytest.fixture(scope="module")
def network() -> Generator:
    torch.manual_seed(0)
    return Generator(4, 1).eval()


@pytest.fixture(scope="module")
def run(network: Generator, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("run")
    checkpoint.save(folder / "best.pt", {"weights": network.state_dict(), "scores": {"epoch": 1.0, "score": 0.0}})
    return folder


@pytest.fixture(scope="module")
def landed(config: Config, run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    entry = tmp_path_factory.mktemp("repository") / "expression_generator"
    entry.mkdir()
    shutil.copy(CONTRACT, entry)
    untested = replace(config, generation=replace(config.generation, test=""))
    return method.export(untested, run, entry.parent)


def test_an_export_passes_the_gate_and_lands_whole(landed: Path) -> None:
    assert landed.name == "1"
    assert sorted(item.name for item in landed.iterdir()) == ["card.json", "model.onnx"]
    card = json.loads((landed / "card.json").read_text())
    assert card["validation"]["epoch"] == 1.0
    assert "AU45" in card["input"]


def test_a_row_has_the_same_bits_alone_and_in_any_batch(landed: Path, network: Generator) -> None:
    model = gate.of_file(landed / "model.onnx")
    faces, change = gate.probes(gate.read_contract(CONTRACT))
    together = model(faces, change)
    for at in range(len(faces)):
        for name, found in model(faces[at : at + 1], change[at : at + 1]).items():
            assert np.array_equal(found[0], together[name][at]), (name, at)
    trained = served(network)(faces, change)
    np.testing.assert_allclose(together["mask"], trained["mask"], atol=1e-4)
    levels = np.abs(together["rendered"].astype(int) - trained["rendered"])
    assert levels.max() <= 1
    assert (levels > 0).mean() < 0.01
    nothing = model(faces, np.zeros_like(change))
    assert np.array_equal(nothing["rendered"], faces)
    assert not nothing["mask"].any()


def test_answers_that_cannot_be_are_refused() -> None:
    faces = np.full((1, 4, 4, 3), 7, np.uint8)
    good = {"rendered": faces, "mask": np.zeros((1, 4, 4), np.float32)}
    method.sane(good)  # type: ignore[arg-type]
    method.unchanged(lambda *_: good, faces)  # type: ignore[arg-type, return-value]
    with pytest.raises(gate.GateError, match="outside"):
        method.sane(good | {"mask": np.full((1, 4, 4), 1.1, np.float32)})  # type: ignore[arg-type]
    with pytest.raises(gate.GateError, match="not bytes"):
        method.sane(good | {"rendered": faces.astype(np.float32)})  # type: ignore[arg-type]
    with pytest.raises(gate.GateError, match="differs by up to 2 levels"):
        method.unchanged(lambda *_: good | {"rendered": faces + 2}, faces)  # type: ignore[arg-type, return-value]


def test_a_published_generator_is_not_exported(config: Config, run: Path, tmp_path: Path) -> None:
    other = replace(config, generation=replace(config.generation, kind="published"))
    with pytest.raises(ValueError, match="the contract wants a change"):
        method.export(other, run, tmp_path)


def test_the_report_has_its_tables_and_sheets(
    config: Config, run: Path, landed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(align, "MIN_QUALITY", 0.0)  # drawn faces of 48 px are hardly faces
    line = method.evaluate(config, run)
    assert line.startswith("SSIM")
    assert str(run / "generator.md") in line
    text = (run / "generator.md").read_text()
    assert "on 27 pairs of rendered heads of 9 identities" in text
    assert text.count("at most 0 of 255 levels differ") == 2
    assert "Expressions on people" in text
    report = json.loads((run / "generator.json").read_text(), parse_constant=lambda name: pytest.fail(name))
    assert list(report["pairs"]["units"]) == list(ACTION_UNITS)
    assert np.array(report["pairs"]["crosstalk"]).shape == (17, 17)
    page = (run / "generator.html").read_text()
    for name, shape in {"pairs": (12, 8), "statues": (9, 7), "people": (2, 7)}.items():
        sheet = cv2.imread(str(run / f"generator_{name}.png"))
        assert f"generator_{name}.png" in page
        assert sheet.shape == (shape[0] * 128, shape[1] * 128, 3)

    exported = replace(config, generation=replace(config.generation, people="", test_images=6))
    method.evaluate(exported, tmp_path, landed / "model.onnx")
    assert "the exported file model.onnx, on 6 pairs" in (tmp_path / "generator.md").read_text()


def test_generators_are_compared_side_by_side(
    config: Config, landed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(align, "MIN_QUALITY", 0.0)
    first, second = tmp_path / "first", tmp_path / "second"
    method.evaluate(config, first, landed / "model.onnx")
    second.mkdir()
    scores = json.loads((first / "generator.json").read_text())
    scores["pairs"]["ssim"]["value"] = 0.5
    (second / "generator.json").write_text(json.dumps(scores))
    note = tmp_path / "note.md"
    note.write_text("before\n<!-- model -->\nold\n<!-- /model -->\nafter\n")
    comparison.write([first, second], tmp_path, note)
    text = note.read_text()
    assert text.startswith("before\n<!-- model -->\n|  | first | second |\n")
    assert text.endswith("<!-- /model -->\nafter\n")
    copied = f"{scores['pairs']['ssim']['copied']:.4f}"
    row = next(line for line in text.splitlines() if line.startswith("| SSIM"))
    assert row.endswith(f"| 0.5000 ({copied}) |")
    assert sum(line.startswith("| AU") for line in text.splitlines()) == 17
    third = tmp_path / "third"
    third.mkdir()
    card = {"method": "ganimation", "name": "expression_generator", "version": 7, "metrics": scores}
    (third / "card.json").write_text(json.dumps(card))
    page = comparison.write([first, third], tmp_path)
    assert page.with_suffix(".md").read_text().startswith("|  | first | expression_generator 7 |\n")
    scores["pairs"]["faces"] += 1
    (second / "generator.json").write_text(json.dumps(scores))
    with pytest.raises(ValueError, match="different faces"):
        comparison.write([first, second], tmp_path)


def test_what_is_missing_is_told(config: Config, run: Path) -> None:
    with pytest.raises(ValueError, match="name a test corpus"):
        method.evaluate(replace(config, generation=replace(config.generation, test="")), run)
    with pytest.raises(FileNotFoundError, match="no generator at"):
        method.evaluate(config, run, run / "model.onnx")

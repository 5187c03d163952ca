"""Through the command line's door: a configuration builds the task, a run lands as the next version and is scored."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from tests.training.conftest import ROOT
from tests.training.tiny_run import patterned
from training import checkpoint, loop, methods
from training.attentive.networks import AttentiveClassifier
from training.clay.corpus import Corpus
from training.config import Config, as_dict
from training.data.faces import EXPRESSIONS


@pytest.fixture
def wanted(config: Config, tmp_path: Path) -> Config:
    """People in folders, the served landmarker."""
    table = patterned(140, 48)
    for number, (face, label) in enumerate(zip(table.faces, table.labels, strict=True)):
        folder = tmp_path / "faces" / EXPRESSIONS[label]
        folder.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(folder / f"{number}.png"), face)
    landmarker = sorted((ROOT / "model_repository" / "face_landmarker").glob("*/model.onnx"))[-1]
    data = replace(config.data, source="folder", path=str(tmp_path / "faces"), landmarker=str(landmarker))
    return replace(config, data=data)


def test_a_run_is_built_landed_and_evaluated(
    wanted: Config, network: AttentiveClassifier, repository: Path, tmp_path: Path
) -> None:
    method = methods.of(wanted)
    run = tmp_path / "run"
    run.mkdir()
    (run / "config.json").write_text(json.dumps(as_dict(wanted)))
    checkpoint.save(run / "best.pt", {"weights": network.state_dict(), "scores": {"epoch": 1.0, "score": 0.5}})

    landed = method.export(wanted, run, repository, method.role)
    assert landed == repository / "expression_classifier" / "1"
    card = json.loads((landed / "card.json").read_text())
    assert card["method"] == "attentive"
    assert card["data"]["statues_validation"]["rows"] == card["statues_metrics"]["rows"] > 0
    assert "Accuracy" in method.evaluate(wanted, run, landed / "model.onnx")

    task = method.build(wanted, loop.join())
    assert np.isfinite(list(task.step(0, 0).values())).all()
    scores = task.validate()
    line = {"epoch": 1, "images_per_s": 1.0, **scores}
    (run / "metrics.jsonl").write_text(json.dumps(line) + "\n")
    assert "Accuracy" in method.evaluate(wanted, run, None), "what validation wrote is enough for the page"


def test_without_statues_it_says_what_to_name(wanted: Config, drawn: Corpus) -> None:
    with pytest.raises(ValueError, match="name at least one rendered corpus"):
        methods.of(wanted).build(replace(wanted, data=replace(wanted.data, statues=())), loop.join())

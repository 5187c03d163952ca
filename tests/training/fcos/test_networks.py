"""The network and its graph: candidates fall in score, faces of every size have a place, the gate lets it through."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from training import checkpoint, gate
from training.config import as_dict, from_dict
from training.fcos import admission, method, networks
from training.fcos.assignment import Targets, assign

CONTRACT = Path(__file__).parents[3] / "model_repository" / "face_detector" / "config.pbtxt"


@pytest.fixture(scope="module")
def served() -> networks.ServedDetector:
    torch.manual_seed(0)
    detector = networks.Detector().train()
    for _ in range(3):  # norms that have seen something
        detector(torch.rand(4, 1, 64, 64) * 255)
    return networks.served(detector)


def targets(boxes: list[list[float]], kinds: list[int] | None = None) -> Targets:
    count = len(boxes)
    return Targets(torch.tensor([boxes]), torch.full((1, count, 5, 2), torch.nan), torch.tensor([kinds or [1] * count]))


def test_the_network_is_small() -> None:
    assert sum(p.numel() for p in networks.Detector().parameters()) < 400_000


def test_places_are_in_the_order_of_the_answers() -> None:
    centres, strides = networks.places(320, 320)
    logits, ltrb, points = networks.Detector().eval()(torch.zeros(1, 1, 320, 320))
    assert logits.shape == strides[None].shape == (1, 2100)
    assert ltrb.shape == (1, 2100, 4)
    assert points.shape == (1, 2100, 5, 2)
    assert centres[1].tolist() == [12.0, 4.0]


def test_the_answer_keeps_the_contract_and_its_scores_fall(served: networks.ServedDetector) -> None:
    images = np.random.default_rng(0).integers(0, 256, (2, 320, 320, 3), np.uint8)
    answers = method.of_network(served)(images)
    assert {name: values.shape[1:] for name, values in answers.items()} == {
        "boxes": (200, 4), "scores": (200,), "points": (200, 5, 2),
    }  # fmt: skip
    admission.sane(answers)


def test_colour_of_the_same_luma_changes_nothing(served: networks.ServedDetector) -> None:
    grey = np.full((1, 320, 320, 3), 100, np.uint8)
    red = np.tile(np.array([200, 64, 22], np.uint8), (1, 320, 320, 1))  # .299 * 200 + .587 * 64 + .114 * 22 = 99.9
    found = [method.of_network(served)(images)["scores"] for images in (grey, red)]
    assert np.abs(found[0] - found[1]).max() < 1e-3


def test_a_run_lands_as_a_whole_version_that_passed_the_gate(served: networks.ServedDetector, tmp_path: Path) -> None:
    entry, run = tmp_path / "repository" / "face_detector", tmp_path / "run"
    entry.mkdir(parents=True)
    shutil.copy(CONTRACT, entry)
    config = from_dict({"name": "tiny", "model": {"method": "fcos"}})
    scores = {"epoch": 1.0, "score": 0.5}
    checkpoint.save(run / "best.pt", {"weights": served.detector.state_dict(), "scores": scores})
    (run / "config.json").write_text(json.dumps(as_dict(config)))
    landed = method.export(config, run, entry.parent, "face_detector")
    assert landed == entry / "1"
    assert {item.name for item in entry.iterdir()} == {"config.pbtxt", "1"}
    card = json.loads((landed / "card.json").read_text())
    assert card["files"]["model.onnx"]["bytes"] == (landed / "model.onnx").stat().st_size
    assert card["metrics"]["validation"] == scores


def test_candidates_may_change_places_but_not_differ(served: networks.ServedDetector) -> None:
    images = np.random.default_rng(0).integers(0, 256, (1, 320, 320, 3), np.uint8)
    found = method.of_network(served)(images)
    swapped = {name: values.copy() for name, values in found.items()}
    for values in swapped.values():
        values[0, [0, 1]] = values[0, [1, 0]]
    swapped["scores"] = found["scores"]
    admission.same_candidates(swapped, found, 1, within=1.0)
    moved = found | {"boxes": found["boxes"] + 5.0}
    with pytest.raises(gate.GateError, match="not among the trained network's"):
        admission.same_candidates(moved, found, 1)


@pytest.mark.parametrize("size_px", [8, 12, 24, 48, 60, 100, 200, 300, 420])
def test_a_face_of_any_size_has_a_place_that_answers_for_it(size_px: int) -> None:
    centres, strides = networks.places(320, 320)
    for corner in (3.0, 101.0, 150.0):
        box = [corner, corner, corner + size_px, corner + size_px]
        middle = corner + size_px / 2
        if middle < 320:
            assert (assign(targets([box]), centres, strides).face == 0).sum() >= 1, (size_px, corner)


def test_the_smaller_of_two_faces_wins_a_place() -> None:
    centres, strides = networks.places(320, 320)
    face = assign(targets([[100.0, 100, 140, 140], [105.0, 105, 135, 135]]), centres, strides).face
    assert (face == 1).sum() > 0
    assert (face == 0).sum() == (assign(targets([[100.0, 100, 140, 140]]), centres, strides).face == 0).sum() - (
        (face == 1) & (assign(targets([[100.0, 100, 140, 140]]), centres, strides).face == 0)
    ).sum()


def test_a_region_that_says_nothing_is_neither_face_nor_ground() -> None:
    centres, strides = networks.places(320, 320)
    found = assign(targets([[64.0, 64, 128, 128]], [-1]), centres, strides)
    assert (found.face == -1).all()
    assert (~found.counted).sum() > 0
    assert found.counted[0][(centres[:, 0] > 128)].all()

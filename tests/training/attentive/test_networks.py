"""What is served is what learnt: evidence adds up to the logits, and lies where the landmarks lie."""

from __future__ import annotations

import copy
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from training import gate, quantise
from training.arm import networks as arm
from training.attentive.networks import UNDER, AttentiveClassifier, places_of_cells, under
from training.export import GATE_UNITS, answers_of, sane, to_onnx
from training.shape.networks import LANDMARKS


def luma(count: int) -> Tensor:
    return torch.rand(count, 1, 112, 112, generator=torch.Generator().manual_seed(2)) * 255


def test_the_evidence_of_all_cells_is_what_the_trained_heads_answer(network: AttentiveClassifier) -> None:
    with torch.inference_mode():
        logits, cells = network(luma(3))[0], network.evidence()(luma(3))
    assert cells.shape == (3, 7, 4, 4)
    assert torch.allclose(cells.sum((2, 3)), logits - logits.mean(1, keepdim=True), atol=1e-4)


def test_what_a_landmark_says_lies_in_the_cells_of_its_heat(network: AttentiveClassifier) -> None:
    alone = copy.deepcopy(network)
    for parameter in alone.cells.parameters():
        parameter.data.zero_()
    of_other_landmarks = torch.arange(LANDMARKS * UNDER) // UNDER != 30
    alone.parts.weight.data[:, of_other_landmarks] = 0
    with torch.inference_mode():
        look, found = alone.look(luma(2)), alone.evidence()(luma(2))
        said = under(look)[:, 30] @ alone.parts.weight.unflatten(1, (LANDMARKS, UNDER))[:, 30].T
    said = said - said.mean(1, keepdim=True)
    # two cells beyond the crop on either side belong to its border
    edges = (0, 9, 16, 23, 32)
    for row in range(4):
        for column in range(4):
            window = look.heat[:, 30, edges[row] : edges[row + 1], edges[column] : edges[column + 1]]
            torch.testing.assert_close(found[:, :, row, column], said * window.sum((1, 2))[:, None], atol=1e-5, rtol=0)


def test_every_place_of_a_heat_map_is_in_one_cell() -> None:
    places = places_of_cells()
    assert sorted(places[places < 1024].tolist()) == list(range(1024))
    mirrored = torch.where(places < 1024, places // 32 * 32 + 31 - places % 32, places).reshape(4, 4, -1).flip(1)
    assert torch.equal(mirrored.sort(2).values, places.reshape(4, 4, -1).sort(2).values)


def test_it_begins_as_the_classifier_whose_weights_it_takes(network: AttentiveClassifier) -> None:
    torch.manual_seed(1)
    classifier = arm.ARM().eval()
    classifier.shared_mean.normal_()
    begun = AttentiveClassifier().eval()
    begun.backbone.load_state_dict(classifier.backbone.state_dict())
    begun.begin_as(classifier)
    with torch.inference_mode():
        torch.testing.assert_close(begun(luma(2))[0], classifier(luma(2)), atol=1e-3, rtol=1e-3)


@pytest.mark.parametrize("form", ["float32", "float16", "int8"])
def test_every_form_passes_the_gate(
    form: str, network: AttentiveClassifier, contract: gate.Contract, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder: Path = tmp_path_factory.getbasetemp()
    exact, file = folder / "attentive.onnx", folder / f"attentive_{form}.onnx"
    served = arm.served(network)
    if not exact.exists():
        to_onnx(served, exact, contract)
    if form == "float32":
        gate.admit(exact, contract, answers_of(served), sane, GATE_UNITS)
    elif form == "float16":
        quantise.to_float16(exact, file)
        gate.admit(file, contract, None, sane, GATE_UNITS)
        assert file.stat().st_size < 0.55 * exact.stat().st_size
    else:
        faces = np.random.default_rng(0).integers(0, 256, (16, 112, 112, 3), np.uint8)
        quantise.to_int8(exact, file, faces)
        gate.admit(file, contract, None, sane, GATE_UNITS)
        assert file.stat().st_size < 0.3 * exact.stat().st_size

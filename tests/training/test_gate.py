"""The gate: what may be served, and everything that may not."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from onnx import numpy_helper
from torch import Tensor, nn

from tests.training.tiny_run import SmallBackbone
from training import gate
from training.arm import networks
from training.evaluate import of_file
from training.export import GATE_UNITS, answers_of, sane, to_onnx


def test_a_good_graph_passes(exported: Path, served: nn.Module, contract: gate.Contract) -> None:
    gate.admit(exported, contract, answers_of(served), sane, GATE_UNITS)


def test_a_face_has_the_same_bits_alone_and_in_any_batch(exported: Path, contract: gate.Contract) -> None:
    model, faces = gate.of_file(exported), gate.images(contract)
    alone = [model(face[None]) for face in faces]
    for name, together in model(faces).items():
        assert np.array_equal(np.concatenate([answer[name] for answer in alone]), together), name


def test_the_contract_is_read_from_the_configuration_that_is_served(contract: gate.Contract) -> None:
    assert str(contract.inputs[0]) == "faces UINT8 [112, 112, 3]"
    assert str(contract.outputs[0]) == "probabilities FLOAT [7]"
    assert contract.max_batch == 32


def test_a_contract_that_is_missing_or_broken_is_told(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="contract"):
        gate.read_contract(tmp_path / "config.pbtxt")
    (tmp_path / "config.pbtxt").write_text("input {{{")
    with pytest.raises(ValueError, match="not a Triton model configuration"):
        gate.read_contract(tmp_path / "config.pbtxt")


class PublishedARM(networks.ARM):
    """Sharing affinity as it was published: the mean of whatever rows are in the batch, when serving too."""

    def forward(self, luma_B1HW: Tensor) -> Tensor:
        maps = self.arranged(luma_B1HW)
        logits = self.fc((maps.mean(1) + self.alpha * maps.mean((0, 1))).flatten(1))
        return (logits / 16)[..., None, None].expand(-1, -1, 4, 4)


def test_the_published_arm_is_refused(tmp_path: Path, contract: gate.Contract, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(networks, "Backbone", SmallBackbone)
    torch.manual_seed(0)
    network = PublishedARM().eval()
    network.fc.weight.data.mul_(20)
    published = networks.ServedClassifier(network).eval()
    to_onnx(published, tmp_path / "published.onnx", contract)
    with pytest.raises(gate.GateError, match="beside other rows"):
        gate.admit(tmp_path / "published.onnx", contract, answers_of(published), sane, GATE_UNITS)


def edited(path: Path, to: Path, edit) -> Path:  # type: ignore[no-untyped-def]
    model = onnx.load(path)
    edit(model.graph)
    onnx.save(model, to / "edited.onnx")
    return to / "edited.onnx"


def rename_output(graph: onnx.GraphProto) -> None:
    graph.node[-1].output[0] = graph.output[0].name = "scores"  # probabilities


def rename_input(graph: onnx.GraphProto) -> None:
    graph.node[0].input[0] = graph.input[0].name = "images"


def other_size(graph: onnx.GraphProto) -> None:
    graph.input[0].type.tensor_type.shape.dim[1].dim_value = 64


def other_type(graph: onnx.GraphProto) -> None:
    graph.input[0].type.tensor_type.elem_type = onnx.TensorProto.FLOAT


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (rename_output, "its outputs are scores FLOAT"),
        (rename_input, "its inputs are images UINT8"),
        (other_size, r"faces UINT8 \[64, 112, 3\], but config.pbtxt promises faces UINT8 \[112, 112, 3\]"),
        (other_type, "faces FLOAT"),
    ],
)
def test_other_names_types_and_sizes_are_refused(
    edit, message: str, exported: Path, contract: gate.Contract, tmp_path: Path
) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(gate.GateError, match=message):
        gate.admit(edited(exported, tmp_path, edit), contract, None, sane, GATE_UNITS)


def test_a_fixed_batch_is_refused(exported: Path, contract: gate.Contract, tmp_path: Path) -> None:
    def fix(graph: onnx.GraphProto) -> None:
        graph.input[0].type.tensor_type.shape.dim[0].dim_value = 4

    with pytest.raises(gate.GateError, match="batch axis of faces is fixed"):
        gate.admit(edited(exported, tmp_path, fix), contract, None, sane, GATE_UNITS)


def test_a_graph_that_is_not_the_trained_network_is_refused(
    exported: Path, served: networks.ServedClassifier, contract: gate.Contract, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(served, "temperature", 3.0)
    with pytest.raises(gate.GateError, match="differ by"):
        gate.admit(exported, contract, answers_of(served), sane, GATE_UNITS)


def test_answers_that_are_no_probabilities_are_refused(exported: Path, contract: gate.Contract, tmp_path: Path) -> None:
    def spoil(graph: onnx.GraphProto) -> None:
        bias = next(item for item in graph.initializer if list(item.dims) == [7, 1])
        bias.CopyFrom(numpy_helper.from_array(np.full((7, 1), np.nan, np.float32), bias.name))

    with pytest.raises(gate.GateError, match="not finite"):
        gate.admit(edited(exported, tmp_path, spoil), contract, None, sane, GATE_UNITS)
    with pytest.raises(gate.GateError, match=r"sum to 1.4"):
        gate.probabilities({"probabilities": np.full((2, 7), 0.2, np.float32)})


def test_evidence_that_does_not_add_up_to_the_probabilities_is_refused() -> None:
    evidence = np.random.default_rng(0).normal(size=(3, 7, 4, 4)).astype(np.float32)
    sums = np.exp(evidence.sum((2, 3)))
    sane({"probabilities": sums / sums.sum(1, keepdims=True), "evidence": evidence})
    with pytest.raises(gate.GateError, match="add up"):
        sane({"probabilities": np.roll(sums / sums.sum(1, keepdims=True), 1, 1), "evidence": evidence})


def test_every_input_of_a_graph_is_probed() -> None:
    contract = gate.Contract(
        (gate.Tensor("faces", "UINT8", (4, 4, 3)), gate.Tensor("change", "FLOAT", (17,))),
        (gate.Tensor("rendered", "UINT8", (4, 4, 3)),),
        16,
    )
    faces, change = rows = gate.probes(contract)
    assert faces.shape == (12, 4, 4, 3)
    assert change.shape == (12, 17)
    assert (change == 0).all(1).any()
    assert 0.9 < np.abs(change).max() <= 1

    def own(faces: np.ndarray, change: np.ndarray) -> gate.Answers:
        return {"rendered": faces + (change[:, :1, None, None] > 0).astype(np.uint8)}

    def shared(faces: np.ndarray, change: np.ndarray) -> gate.Answers:
        return {"rendered": faces + np.uint8(change.sum() > 0)}

    gate.check_invariance(own, rows, 16, {"rendered": 1.0})
    with pytest.raises(gate.GateError, match="beside other rows"):
        gate.check_invariance(shared, rows, 16, {"rendered": 1.0})


def test_bytes_that_differ_by_one_level_are_one_level_apart() -> None:
    def above(faces: np.ndarray) -> gate.Answers:
        return {"rendered": faces}

    def below(faces: np.ndarray) -> gate.Answers:
        return {"rendered": faces - np.uint8(1)}

    rows = [np.full((8, 2, 2, 3), 7, np.uint8)]
    gate.check_parity(above, below, rows, {"rendered": 1 / gate.PARITY})
    with pytest.raises(gate.GateError, match="differ by 1 in rendered"):
        gate.check_parity(above, below, rows, {"rendered": 1.0})


def test_the_exported_graph_is_small_and_says_nothing_of_the_machine(exported: Path) -> None:
    model = onnx.load(exported)
    assert not {node.op_type for node in model.graph.node} & {"BatchNormalization", "If", "Shape", "Loop"}
    assert str(Path(__file__).parents[2]).encode() not in exported.read_bytes()
    assert not any(node.metadata_props for node in model.graph.node)
    assert of_file(exported)(np.zeros((5, 112, 112, 3), np.uint8)).shape == (5, 7)

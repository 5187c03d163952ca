"""Going on from a run or from a served model: all of it, its backbone, or a sentence on what is wrong."""

from __future__ import annotations

from pathlib import Path

import onnx
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import Tensor, nn

from training import checkpoint
from training.arm.networks import ARM, ResNet18
from training.fcos.networks import Detector
from training.shape.networks import Landmarker
from training.warm_start import _of_8_bits, normed, start_from


def used(network: nn.Module) -> nn.Module:
    """With norms as a training leaves them."""
    torch.manual_seed(3)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean = torch.randn(module.num_features) * 0.2
            module.running_var = torch.rand(module.num_features) + 0.5
            if module.affine:
                nn.init.uniform_(module.weight, 0.5, 1.5)
                nn.init.normal_(module.bias, 0, 0.2)
    return network.eval()


def stored(network: nn.Module, path: Path) -> Path:
    """As the exporter leaves a network: batch norms inside the convolutions, under the served graph's name."""
    norms = {name: (conv, norm) for name, conv, norm in normed(network)}
    inside = {id(norm) for _, norm in norms.values()}
    of_norms = {name for name, module in network.named_modules() if id(module) in inside}
    found: dict[str, Tensor] = {}
    for name, value in network.state_dict().items():
        if name.rpartition(".")[0] not in of_norms:
            found[name] = value
    for name, (_, norm) in norms.items():
        scale = norm.weight / (norm.running_var + norm.eps).sqrt()
        found[f"{name}.weight"] = found[f"{name}.weight"] * scale[:, None, None, None]
        found[f"{name}.weight_bias"] = norm.bias - norm.running_mean * scale
    tensors = [numpy_helper.from_array(value.detach().numpy(), f"served.{name}") for name, value in found.items()]
    value = helper.make_tensor_value_info("x", TensorProto.FLOAT, [1])
    onnx.save(helper.make_model(helper.make_graph([], "graph", [value], [value], tensors)), path)
    return path


@pytest.mark.parametrize(("kind", "side"), [(ResNet18, 64), (Detector, 64)])
def test_a_served_model_goes_on_as_it_answered(kind: type[nn.Module], side: int, tmp_path: Path) -> None:
    torch.manual_seed(1)
    giver, faces = used(kind()), torch.rand(6, 1, side, side) * 255
    torch.manual_seed(2)
    taker = kind()
    start_from(taker, stored(giver, tmp_path / "model.onnx"), lambda: faces)
    for found, wanted in zip(_parts(taker.eval()(faces)), _parts(giver(faces)), strict=True):
        torch.testing.assert_close(found, wanted, rtol=1e-3, atol=1e-3)
    # and it may be trained: on the very faces that the norms were unfolded with, a batch's statistics are the tracked
    for found, wanted in zip(_parts(taker.train()(faces)), _parts(giver(faces)), strict=True):
        torch.testing.assert_close(found, wanted, rtol=0.02, atol=0.02 * float(wanted.detach().abs().max()))


def test_8_bits_are_read_as_the_floats_they_stand_for() -> None:
    weight, scale = torch.randint(-64, 65, (3, 2, 1, 1), dtype=torch.int8), torch.tensor([0.5, 0.1, 2.0])
    stored = {
        "conv.weight_quantized": weight.numpy(),
        "conv.weight_scale": scale.numpy(),
        "conv.bias_quantized": torch.tensor([1, -2, 3], dtype=torch.int32).numpy(),
        "conv.bias_quantized_scale": scale.numpy(),
        "fc.weight": scale.numpy(),
    }
    found = _of_8_bits(stored)
    assert sorted(found) == ["conv.bias", "conv.weight"]
    assert torch.equal(torch.from_numpy(found["conv.weight"]), weight * scale[:, None, None, None])
    assert found["conv.bias"].tolist() == pytest.approx([0.5, -0.2, 6.0])


def test_what_an_export_does_not_hold_starts_from_scratch(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    giver, taker = used(ResNet18()), ARM(face_px=64)
    before = taker.fc.weight.clone()
    faces = torch.rand(4, 1, 64, 64) * 255
    start_from(taker, stored(giver, tmp_path / "model.onnx"), lambda: faces)
    assert "has no alpha, bn, dealbino and 1 more: these start from scratch" in caplog.text
    taker.eval()
    torch.testing.assert_close(taker.backbone(faces), giver.get_submodule("backbone")(faces), rtol=1e-3, atol=1e-3)
    assert torch.equal(before, taker.fc.weight)


def test_a_served_head_without_its_dropout_is_taken_whole(tmp_path: Path) -> None:
    giver, taker = used(Landmarker(0.2)), Landmarker(0.2)
    path = stored(giver, tmp_path / "model.onnx")
    model = onnx.load(path)
    for item in model.graph.initializer:  # the served head has no norm and no dropout: its last layer is the third
        item.name = item.name.replace("served.units.4.", "served.units.2.")
    onnx.save(model, path)
    luma = torch.rand(4, 1, 112, 112) * 255
    start_from(taker, path, lambda: luma)
    torch.testing.assert_close(taker.eval()(luma)[1], giver(luma)[1], rtol=1e-3, atol=1e-3)


def test_inputs_that_a_layer_has_more_are_not_heard_at_first(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    giver, taker, heard = used(Landmarker()), Landmarker(), 32 * 68 + 2 * 68 + 256
    with torch.no_grad():
        giver.reading[0].weight[:, heard:] = 0
    path = stored(giver, tmp_path / "model.onnx")
    model = onnx.load(path)
    weight = next(item for item in model.graph.initializer if item.name == "served.reading.0.weight")
    columns = numpy_helper.to_array(weight)[:, :heard, 0, 0]  # as an export stores a layer of single cells
    weight.CopyFrom(numpy_helper.from_array(columns.copy(), weight.name))
    onnx.save(model, path)
    luma = torch.rand(4, 1, 112, 112) * 255
    start_from(taker, path, lambda: luma)
    assert "what reading.0 hears beside is not heard at first" in caplog.text
    torch.testing.assert_close(taker.eval()(luma)[1], giver(luma)[1], rtol=1e-3, atol=1e-3)


def test_another_run_gives_all_its_weights_or_its_backbone(tmp_path: Path) -> None:
    giver, same, other = used(ResNet18()), ResNet18(), ARM(face_px=64)
    path = tmp_path / "best.pt"
    checkpoint.save(path, {"weights": giver.state_dict()})
    for taker in (same, other):
        start_from(taker, path, lambda: torch.zeros(1, 1, 64, 64))
    assert all(torch.equal(a, b) for a, b in zip(giver.parameters(), same.parameters(), strict=True))
    pairs = zip(giver.get_submodule("backbone").parameters(), other.backbone.parameters(), strict=True)
    assert all(torch.equal(a, b) for a, b in pairs)
    checkpoint.save(path, {"weights": {"backbone.layers.0.weight": torch.zeros(4, 1, 3, 3)}})
    with pytest.raises(RuntimeError):
        start_from(ResNet18(), path, lambda: torch.zeros(1, 1, 64, 64))


def test_what_is_wrong_is_said(tmp_path: Path) -> None:
    path = stored(used(Detector()), tmp_path / "model.onnx")
    with pytest.raises(ValueError, match="holds no weights of ResNet18"):
        start_from(ResNet18(), path, lambda: torch.zeros(1, 1, 64, 64))
    with pytest.raises(FileNotFoundError, match="mien export"):
        start_from(ResNet18(), tmp_path / "nothing.onnx", lambda: torch.zeros(1, 1, 64, 64))
    checkpoint.save(tmp_path / "best.pt", {"weights": {"heads.weight": torch.zeros(2)}})
    with pytest.raises(ValueError, match="no Detector and no backbone"):
        start_from(Detector(), tmp_path / "best.pt", lambda: torch.zeros(1, 1, 64, 64))


def _parts(answer: Tensor | tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    return answer if isinstance(answer, tuple) else (answer,)

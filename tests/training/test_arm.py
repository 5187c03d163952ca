"""ARM: what the published form computes, and that ours answers for each row alone."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from training.arm import networks


@pytest.fixture
def arm(small: None) -> networks.ARM:
    """An ARM whose every constant is away from where it started, as after training."""
    torch.manual_seed(1)
    network = networks.ARM()
    network.alpha.data.fill_(1.7)
    network.bn.running_mean.copy_(torch.tensor([0.3, -0.2]))
    network.bn.running_var.copy_(torch.tensor([0.02, 3.0]))
    network.bn.weight.data.copy_(torch.tensor([0.7, 1.4]))
    network.bn.bias.data.copy_(torch.tensor([0.5, -0.1]))
    network.shared_mean.normal_()
    return network


def luma(count: int) -> Tensor:
    return torch.rand(count, 1, 112, 112, generator=torch.Generator().manual_seed(2)) * 255


def test_the_published_sharing_shifts_all_logits_by_the_batch_mean(arm: networks.ARM) -> None:
    arm.train()
    maps = arm.arranged(luma(6))
    own = torch.nn.functional.linear(maps.mean(1).flatten(1), arm.fc.weight)
    shifted = own + arm.alpha * own.mean(0) + arm.fc.bias
    assert torch.allclose(arm(luma(6)), shifted, atol=1e-5)


def test_training_tracks_the_shared_mean(arm: networks.ARM) -> None:
    before = arm.shared_mean.clone()
    arm.train()
    batch_mean = arm.arranged(luma(4)).mean((0, 1)).detach()
    arm(luma(4))
    assert torch.allclose(arm.shared_mean, before.lerp(batch_mean, arm.momentum), atol=1e-6)


def test_the_dense_form_of_the_amending_convolution_is_the_published_one(arm: networks.ARM) -> None:
    arm.eval()
    features = arm.backbone(luma(3))
    maps = arm.arrange(features)
    published = arm.bn(arm.dealbino(maps.flatten(0, 1)[:, None]).unflatten(0, maps.shape[:2])[:, :, 0])
    assert published.shape == (3, 2, 5, 5)
    assert torch.allclose(arm.amended(features), published, atol=1e-5)


def test_an_answer_does_not_depend_on_the_strangers_beside_it(arm: networks.ARM) -> None:
    arm.eval()
    rows = luma(5)
    together, alone = arm(rows), torch.cat([arm(row[None]) for row in rows])
    assert torch.allclose(together, alone, atol=1e-5)
    assert torch.allclose(arm(rows.flip(0)), together.flip(0), atol=1e-5)


@pytest.mark.parametrize("size", ["small", "resnet18"])
def test_the_folded_head_equals_the_layers_it_replaces(size: str, request: pytest.FixtureRequest) -> None:
    if size == "small":
        network = request.getfixturevalue("arm").eval()
    else:
        torch.manual_seed(3)
        network = networks.ARM()
        network.train()
        with torch.no_grad():
            network(luma(4))  # statistics of a real batch
        network.eval()
    with torch.inference_mode():
        wanted, found = network(luma(3)), networks.FoldedARM(network)(luma(3))
    assert (found - wanted).abs().max() <= 1e-4 * wanted.abs().max().clamp(min=1)


def test_the_served_graph_takes_bytes_and_ignores_a_tint(served: networks.ServedClassifier) -> None:
    grey = torch.randint(0, 200, (2, 112, 112, 1), dtype=torch.uint8).repeat(1, 1, 1, 3)
    with torch.inference_mode():
        (dark, _), (bright, _) = served(grey), served(grey + 40)
    assert torch.allclose(dark.sum(1), torch.ones(2), atol=1e-5)
    assert torch.allclose(dark, bright, atol=1e-4), "brighter is the same face"


def test_the_served_graph_reads_a_mirrored_face_alike_and_mirrors_its_evidence(
    served: networks.ServedClassifier,
) -> None:
    faces = torch.randint(0, 256, (2, 112, 112, 3), dtype=torch.uint8)
    with torch.inference_mode():
        (one, evidence), (other, mirrored) = served(faces), served(faces.flip(2))
    assert torch.allclose(one, other, atol=1e-5)
    assert torch.allclose(evidence.flip(3), mirrored, atol=1e-5)


@pytest.mark.parametrize("method", ["arm", "resnet18"])
def test_the_evidence_of_all_cells_is_what_the_trained_head_answers(method: str, small: None) -> None:
    torch.manual_seed(1)
    network = networks.build(method).eval()
    network.fc.bias.data.normal_()
    evidence = networks.served(network).classifier
    with torch.inference_mode():
        logits, cells = network(luma(3)), evidence(luma(3))
    assert cells.shape == (3, 7, 4, 4)
    assert torch.allclose(cells.sum((2, 3)), logits - logits.mean(1, keepdim=True), atol=1e-4)
    assert cells.std((2, 3)).min() > 0, "not the same everywhere"


def test_the_first_stages_of_the_backbone_are_the_stem_and_two_blocks_each() -> None:
    backbone = networks.Backbone(width=16)
    names = {id(value): name for name, value in backbone.named_parameters()}
    for stages, blocks in ((0, ()), (1, (0, 1)), (3, (0, 1, 2, 3, 4, 5))):
        found = {names[id(value)] for value in backbone.first(stages).parameters()}
        wanted = tuple(["stem.", *(f"stages.{block}." for block in blocks)] if stages else [])
        assert found == {name for name in names.values() if wanted and name.startswith(wanted)}


def test_an_unknown_method_is_told_the_choices() -> None:
    with pytest.raises(ValueError, match="arm, resnet18"):
        networks.build("vgg")

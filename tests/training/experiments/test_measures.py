"""Similarity, the leak, and the narrow networks: small cases with known answers."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from tests.training.tiny_run import patterned
from training.arm import networks
from training.data.faces import FaceTable, one_hot
from training.experiments import leak, similarity


def test_a_picture_is_like_itself_and_unlike_its_negative() -> None:
    face = patterned(7, 48).faces
    pairs = np.stack([face[0], face[0], 255 - face[0]]).astype(np.uint8)
    for measure in (similarity.structural, similarity.hashed):
        found = measure(pairs)
        assert found[0, 1] == pytest.approx(1)
        assert found[0, 2] < 0.4
        assert (found == found.T).all()


def test_the_mean_is_over_pairs_of_different_pictures() -> None:
    statues = np.array([[1.0, 0.8, 0.6], [0.8, 1.0, 0.4], [0.6, 0.4, 1.0]])
    people = np.full((4, 4), 0.2) + 0.8 * np.eye(4)
    one, other, apart = similarity.compared(statues, people, 300, 0)
    assert one.value == pytest.approx(0.6)
    assert other.value == pytest.approx(0.2)
    assert apart.value == pytest.approx(0.4)


def test_what_lies_outside_the_oval_plays_no_part() -> None:
    face = patterned(1, 48).faces
    framed = face.copy()
    framed[:, :1], framed[:, :, -3:] = 0, 255
    assert (similarity.masked(face) == similarity.masked(framed)).all()


@pytest.fixture
def arm() -> networks.ARM:
    torch.manual_seed(0)
    network = networks.build("arm", face_px=48, width=4, stride=16)
    assert isinstance(network, networks.ARM)
    return network.eval()


def test_a_narrow_arm_has_two_maps_and_folds_exactly(arm: networks.ARM) -> None:
    faces = torch.rand(3, 1, 48, 48) * 255
    with torch.inference_mode():
        assert arm.arranged(faces).shape == (3, 2, 3, 3)
        arm.shared_mean.normal_()
        np.testing.assert_allclose(networks.FoldedARM(arm)(faces), arm(faces), atol=1e-4)


def test_a_face_too_small_for_arm_and_a_backbone_that_cannot_be_are_refused() -> None:
    with pytest.raises(ValueError, match="more than 32 px, these have 32 px"):
        networks.build("arm", face_px=32, width=16, stride=16)
    with pytest.raises(ValueError, match="square number"):
        networks.build("resnet18", width=20)


class Evidence(nn.Module):
    """In place of an ARM: for a face of luma 10 e + w it has .4 for expression e and .6 for the wrong one, w."""

    def __init__(self) -> None:
        super().__init__()
        self.alpha, self.fc = torch.ones(()), nn.Identity()

    def arranged(self, luma_B1HW: Tensor) -> Tensor:
        code = luma_B1HW[:, 0, 0, 0].long()
        own = nn.functional.one_hot(code // 10, 7) * 0.4 + nn.functional.one_hot(code % 10, 7) * 0.6
        return own.reshape(-1, 1, 1, 7).repeat(1, 2, 1, 1)


def test_a_list_sorted_by_expression_tells_the_label_and_a_shuffled_one_does_not() -> None:
    labels = np.repeat(np.arange(7), 6)
    wrong = np.concatenate([[w for w in range(7) if w != label] for label in range(7)])
    faces = np.tile((10 * labels + wrong).astype(np.uint8)[:, None, None], (1, 4, 4))
    table = FaceTable(faces, one_hot(labels), labels)

    def right(order: np.ndarray, batch: int) -> float:  # type: ignore[type-arg]
        said = leak.as_published(Evidence(), table, order, batch, torch.device("cpu"))  # type: ignore[arg-type]
        return float((said == labels).mean())

    assert right(np.arange(42), 6) == 1.0
    assert right(np.arange(42), 1) == 0.0, "alone, a face is misread"
    assert right(np.arange(42), 42) == 0.0


def test_answers_come_back_in_the_table_s_order(arm: networks.ARM) -> None:
    faces = patterned(14, 48)
    turned = FaceTable(faces.faces[::-1].copy(), faces.targets[::-1], faces.labels[::-1])
    device = torch.device("cpu")
    one = leak.as_published(arm, faces, np.arange(14), 1, device)
    other = leak.as_published(arm, turned, np.random.default_rng(0).permutation(14), 1, device)
    assert (one == other[::-1]).all()

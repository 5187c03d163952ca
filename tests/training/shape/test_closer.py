"""The closer look: it sees where it is told to, mirrors the left eye, and corrects only what it saw."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from training.clay.corpus import MIRROR
from training.shape.closer import CELLS, EYE, FEATURES, MOUTH, NOSE, OTHER_EYE, SIDES, Closer


@pytest.fixture
def closer() -> Closer:
    torch.manual_seed(3)
    return Closer().eval()


def faces(count: int) -> tuple[Tensor, Tensor]:
    """Maps of 56 cells a side, and landmarks anywhere in their middle."""
    generator = torch.Generator().manual_seed(1)
    coarse = torch.rand(count, 64, 14, 14, generator=generator)
    landmarks = torch.rand(count, 68, 2, generator=generator) * 0.4 + 0.3
    return F.interpolate(coarse, size=(56, 56), mode="bilinear"), landmarks


def squares(x: float, y: float, side: float) -> tuple[Tensor, Tensor]:
    return torch.tensor([[[x, y]] * 4]), torch.full((1, 4), side)


def test_a_part_is_the_map_about_its_middle(closer: Closer) -> None:
    ramp = torch.arange(56.0)
    seen = closer.cut((ramp[None, :] + 0.25 * ramp[:, None]).expand(1, 64, 56, 56), *squares(0.5, 0.4, 0.3))[0, 0]
    places = (torch.arange(CELLS) + 0.5) / CELLS - 0.5
    x, y = (0.5 + 0.3 * places) * 56 - 0.5, (0.4 + 0.3 * places) * 56 - 0.5
    for part in (0, 2, 3):
        torch.testing.assert_close(seen[part], x[None, :] + 0.25 * y[:, None], rtol=0, atol=1e-3)
    torch.testing.assert_close(seen[1], seen[0].flip(1), rtol=0, atol=1e-3)  # the left eye is seen mirrored


def test_beyond_the_crop_its_border_is_repeated(closer: Closer) -> None:
    seen = closer.cut(torch.full((1, 64, 56, 56), 0.7), *squares(-0.4, 1.6, 0.3))
    torch.testing.assert_close(seen, torch.full_like(seen, 0.7))


def test_a_mirrored_face_gives_both_eyes_the_others_features(closer: Closer) -> None:
    maps, landmarks = faces(2)
    mirrored = landmarks[:, MIRROR] * torch.tensor([-1.0, 1.0]) + torch.tensor([1.0, 0.0])
    with torch.inference_mode():
        seen = closer(maps, landmarks)[0].unflatten(1, (4, FEATURES))
        turned = closer(maps.flip(3), mirrored)[0].unflatten(1, (4, FEATURES))
    torch.testing.assert_close(turned[:, 0], seen[:, 1], rtol=1e-3, atol=1e-3)
    torch.testing.assert_close(turned[:, 1], seen[:, 0], rtol=1e-3, atol=1e-3)
    assert not torch.allclose(turned[:, 2], seen[:, 2], rtol=1e-3, atol=1e-3)  # the nose is seen as it is


def test_corrections_are_in_units_of_the_crop_and_mirrored_for_the_left_eye(closer: Closer) -> None:
    maps, landmarks = faces(1)
    layer = closer.eye.offset[0]
    assert isinstance(layer, nn.Conv2d)
    assert layer.bias is not None
    with torch.no_grad():
        assert not closer(maps, landmarks)[1].any(), "nothing learnt, nothing corrected"
        layer.bias[:2] = torch.tensor([0.1, 0.2])  # the brow's outer end
        correction = closer(maps, landmarks)[1][0].numpy()
    size = float((landmarks - landmarks.mean(1, keepdim=True)).square().sum(2).mean().sqrt())
    np.testing.assert_allclose(correction[17], np.array([0.1, 0.2]) * SIDES[0] * size, rtol=1e-4)
    np.testing.assert_allclose(correction[26], np.array([-0.1, 0.2]) * SIDES[0] * size, rtol=1e-4)
    assert not np.delete(correction, [17, 26], 0).any()


def test_every_landmark_has_at_most_one_part() -> None:
    together = [*EYE, *OTHER_EYE, *NOSE, *MOUTH]
    assert len(set(together)) == len(together)
    assert set(range(17, 68)) < set(together)

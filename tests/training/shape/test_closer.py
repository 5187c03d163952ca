"""The closer look: it sees where it is told to, mirrors the left eye, and corrects only what it saw."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from training.clay.corpus import MIRROR
from training.shape.closer import EYE, FEATURES, MOUTH, NOSE, OTHER_EYE, PART_PX, Closer
from training.shape.networks import Landmarker


@pytest.fixture
def closer() -> Closer:
    torch.manual_seed(3)
    return Closer().eval()


def faces(count: int) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    luma = torch.rand(count, 1, 28, 28, generator=generator) * 255
    landmarks = torch.rand(count, 68, 2, generator=generator) * 0.4 + 0.3
    return torch.nn.functional.interpolate(luma, size=(224, 224), mode="bilinear"), landmarks


def test_a_part_is_the_picture_about_its_middle(closer: Closer) -> None:
    ramp = torch.arange(224.0)
    picture = (ramp[None, :] + 0.25 * ramp[:, None])[None, None]
    seen = closer.cut(picture, torch.tensor([[0.5, 0.4]]), torch.tensor([[0.3]]), mirrored=False)[0, 0]
    places = (torch.arange(PART_PX) + 0.5) / PART_PX - 0.5
    x, y = (0.5 + 0.3 * places) * 224 - 0.5, (0.4 + 0.3 * places) * 224 - 0.5
    torch.testing.assert_close(seen, x[None, :] + 0.25 * y[:, None], rtol=0, atol=0.1)  # a tenth of a pixel
    turned = closer.cut(picture, torch.tensor([[0.5, 0.4]]), torch.tensor([[0.3]]), mirrored=True)[0, 0]
    torch.testing.assert_close(turned, seen.flip(1))


def test_fine_stripes_do_not_alias_when_a_part_is_larger_than_its_pixels(closer: Closer) -> None:
    stripes = (torch.arange(224) % 2 * 255.0).expand(1, 1, 224, 224).contiguous()
    seen = closer.cut(stripes, torch.tensor([[0.5, 0.5]]), torch.tensor([[0.8]]), mirrored=False)
    assert float((seen - 127.5).abs().max()) < 25


def test_beyond_the_crop_its_border_is_repeated(closer: Closer) -> None:
    picture = torch.full((1, 1, 224, 224), 90.0)
    seen = closer.cut(picture, torch.tensor([[-0.4, 1.6]]), torch.tensor([[0.3]]), mirrored=False)
    torch.testing.assert_close(seen, torch.full_like(seen, 90.0))


def test_a_mirrored_face_gives_both_eyes_the_others_features(closer: Closer) -> None:
    luma, landmarks = faces(2)
    mirrored = landmarks[:, MIRROR] * torch.tensor([-1.0, 1.0]) + torch.tensor([1.0, 0.0])
    with torch.inference_mode():
        seen, _ = closer(luma, landmarks)
        turned, _ = closer(luma.flip(3), mirrored)
    torch.testing.assert_close(turned[:, :FEATURES], seen[:, FEATURES : 2 * FEATURES], rtol=1e-3, atol=1e-3)
    torch.testing.assert_close(turned[:, FEATURES : 2 * FEATURES], seen[:, :FEATURES], rtol=1e-3, atol=1e-3)


def test_corrections_are_in_units_of_the_crop_and_mirrored_for_the_left_eye(closer: Closer) -> None:
    luma, landmarks = faces(1)
    with torch.inference_mode():
        assert not closer(luma, landmarks)[1].any(), "nothing learnt, nothing corrected"
        closer.eye.offset[0].bias[:2] = torch.tensor([0.1, 0.2])  # the brow's outer end
        correction = closer(luma, landmarks)[1][0].numpy()
    size = float((landmarks - landmarks.mean(1, keepdim=True)).square().sum(2).mean().sqrt())
    np.testing.assert_allclose(correction[17], np.array([0.1, 0.2]) * 1.25 * size, rtol=1e-4)
    np.testing.assert_allclose(correction[26], np.array([-0.1, 0.2]) * 1.25 * size, rtol=1e-4)
    assert not np.delete(correction, [17, 26], 0).any()


def test_every_landmark_has_at_most_one_part() -> None:
    together = [*EYE, *OTHER_EYE, *NOSE, *MOUTH]
    assert len(set(together)) == len(together)
    assert set(range(17, 68)) < set(together)


def test_nothing_learnt_is_the_trunk_alone(network: Landmarker) -> None:
    luma, _ = faces(2)
    with torch.inference_mode():
        rough, _, _, _ = network.trunk(torch.nn.functional.avg_pool2d(luma, 2))
        torch.testing.assert_close(network(luma)[0], rough)

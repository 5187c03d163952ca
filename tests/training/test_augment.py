"""What befalls a face before it is learnt from."""

from __future__ import annotations

import torch

from training.data.augment import COARSE_PX, Augmentation, augment, coarsen

STILL = Augmentation(rotate_deg=0, scale=0, stretch=0, shift=0, flip=0, tone=0, sharpness=0, noise=0, erase=0)


def faces(count: int) -> torch.Tensor:
    return torch.rand(count, 1, 112, 112, generator=torch.Generator().manual_seed(1)) * 255


def test_the_share_that_is_coarse_loses_detail_and_the_rest_loses_nothing() -> None:
    before = faces(20)
    after = coarsen(before, 0.3)
    detail = after.diff(dim=3).abs().mean((1, 2, 3)) / before.diff(dim=3).abs().mean((1, 2, 3))
    kept = detail[:6].view(len(COARSE_PX), 2).mean(1)
    assert 0.5 > kept[0] > kept[1] > kept[2] > 0
    assert torch.equal(after[6:], before[6:])
    assert torch.allclose(after.mean((1, 2, 3)), before.mean((1, 2, 3)), atol=2)


def test_nothing_is_made_coarse_unless_it_is_asked_for() -> None:
    before = faces(8)
    generator = torch.Generator().manual_seed(0)
    assert torch.allclose(augment(before, 112, STILL, generator), before, atol=1e-2)

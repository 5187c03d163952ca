"""What befalls a crop after it was cut: few pixels, tone, sharpness, noise, something in front, or nonsense.

Each takes and gives a `crops.Batch`; what hides landmarks says so in `visible`.
"""

from __future__ import annotations

import math
from dataclasses import replace

import torch

from training.data.augment import Augmentation, augment, coarsen
from training.shape.crops import Batch
from training.shape.settings import Shape

TILES = 4  # nonsense: the crop in 4 x 4 tiles, shuffled


def wear(batch: Batch, how: Shape, looks: Augmentation, generator: torch.Generator) -> Batch:
    """All of it; the scenes of a batch are in random order, so that which of them are worn how is random too."""
    batch = replace(batch, luma=coarsen(batch.luma, how.coarse))
    # Placement was chosen when the crop was cut, and what is erased must be known here.
    tone = replace(looks, rotate_deg=0.0, scale=0.0, stretch=0.0, shift=0.0, flip=0.0, coarse=0.0, erase=0.0)
    batch = replace(batch, luma=augment(batch.luma, batch.luma.shape[-1], tone, generator))
    if looks.erase:
        batch = cover(batch, looks.erase, looks.erase_area, generator)
    return scramble(batch, how.nonsense, generator)


def cover(batch: Batch, share: float, largest: float, generator: torch.Generator) -> Batch:
    """One rectangle per chosen row in a grey of its own, a hand's or a neighbour's place (after Random Erasing)."""
    luma, count = batch.luma, len(batch.luma)

    def uniform() -> torch.Tensor:
        return torch.rand(count, generator=generator).to(luma.device)

    area, ratio = 0.02 + uniform() * (largest - 0.02), torch.exp((uniform() * 2 - 1) * math.log(3.0))
    sides = torch.stack([(area / ratio).sqrt(), (area * ratio).sqrt()], 1)
    low = torch.stack([uniform(), uniform()], 1) * (1 - sides)
    high = torch.where(uniform()[:, None] < share, low + sides, low)
    at = (torch.arange(luma.shape[-1], device=luma.device) + 0.5) / luma.shape[-1]
    across, down = ((at >= low[:, axis, None]) & (at < high[:, axis, None]) for axis in (0, 1))
    mask = (down[:, :, None] & across[:, None, :]).unsqueeze(1)
    grey = (uniform() * 255).view(-1, 1, 1, 1)
    points = batch.landmarks
    hidden = ((points >= low[:, None]) & (points < high[:, None])).all(2)
    visible = batch.visible * (~hidden)
    return replace(batch, luma=torch.where(mask, grey, luma), visible=visible)


def scramble(batch: Batch, share: float, generator: torch.Generator) -> Batch:
    """The last `share` of the rows lose their order: no landmark, no action unit, nothing visible."""
    count = round(len(batch.luma) * share)
    if not count:
        return batch
    luma = batch.luma.clone()
    tiles = luma[-count:].unflatten(2, (TILES, -1)).unflatten(4, (TILES, -1)).permute(0, 2, 4, 1, 3, 5).flatten(1, 2)
    order = torch.randperm(TILES * TILES, generator=generator).to(luma.device)
    shuffled = tiles[:, order].unflatten(1, (TILES, TILES)).permute(0, 3, 1, 4, 2, 5)
    luma[-count:] = shuffled.flatten(4, 5).flatten(2, 3)
    landmarks, visible, units = batch.landmarks.clone(), batch.visible.clone(), batch.units.clone()
    landmarks[-count:], visible[-count:], units[-count:] = float("nan"), 0.0, float("nan")
    return Batch(luma, landmarks, visible, units, batch.scene)

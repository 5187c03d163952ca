"""What a generator and its critic play for: our game with relative units, and GANimation's as published.

Each gives the weighted losses by name; the task adds and minimises them. Pictures of a batch are in [0, 255], losses
see them in [-1, 1].
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from training.ganimation import losses
from training.ganimation.batches import Batch
from training.ganimation.judge import Judge
from training.ganimation.networks import blend, scaled
from training.ganimation.settings import Generation

Terms = dict[str, Tensor]


@dataclass(frozen=True, slots=True)
class Made:
    """A generator's faces [B, 3, H, W] in [0, 255] and masks [B, 1, H, W]."""

    faces: Tensor
    mask: Tensor


class Objective(Protocol):
    """One game. `pairs`: whether its batches have truths."""

    pairs: bool

    def make(self, generator: nn.Module, batch: Batch) -> Made:
        """What the batch asks for."""

    def critic_terms(self, critic: nn.Module, batch: Batch, made_B3HW: Tensor, number: int) -> Terms:
        """The critic's losses; `made` has no gradient, `number` counts the critic's steps."""

    def generator_terms(self, generator: nn.Module, critic: nn.Module | None, batch: Batch, made: Made) -> Terms:
        """The generator's losses; without a critic those that need none."""


def render(generator: nn.Module, face_B3HW: Tensor, condition_BK: Tensor) -> Made:
    """A generator's answer, put together."""
    colour_B3HW, mask_B1HW = generator(face_B3HW, condition_BK)
    return Made(blend(face_B3HW, colour_B3HW, mask_B1HW), mask_B1HW)


class Film:
    """Ours: true pairs where there are any, the way there and back where not, a critic of pictures with their changes,
    and a frozen judge of the units. `readable_K`: 1 for the units that the judge can read."""

    pairs = True

    def __init__(self, how: Generation, judge: Judge, readable_K: Tensor) -> None:
        self.how, self.judge, self.readable_K = how, judge, readable_K

    def make(self, generator: nn.Module, batch: Batch) -> Made:
        return render(generator, batch.faces, batch.change)

    def critic_terms(self, critic: nn.Module, batch: Batch, made_B3HW: Tensor, number: int) -> Terms:
        terms = {"critic": losses.hinge(critic(batch.reals, batch.real_change), critic(made_B3HW, batch.change))}
        if self.how.lazy and self.how.gradient_penalty and number % self.how.lazy == 0:
            with torch.autocast(batch.reals.device.type, enabled=False):
                slope = losses.squared_slope(lambda face: critic(face, batch.real_change), batch.reals)
            terms["slope"] = self.how.gradient_penalty * self.how.lazy * slope
        return terms

    def generator_terms(self, generator: nn.Module, critic: nn.Module | None, batch: Batch, made: Made) -> Terms:
        how, first = self.how, len(batch.truths)
        with torch.no_grad():
            wanted_BK = self.judge(batch.faces) + batch.change
        terms = {
            "units": how.units * losses.unit_error(self.judge(made.faces).float(), wanted_BK.float(), self.readable_K),
            "mask": how.mask * losses.mask_hinge(made.mask, how.mask_low, how.mask_high),
            "smooth": how.smooth * losses.variation(made.mask),
        }
        if critic is not None:
            terms["adversarial"] = -how.adversarial * critic(made.faces, batch.change).mean()
        if first:
            found, true = scaled(made.faces[:first]), scaled(batch.truths)
            source = scaled(batch.faces[:first])
            terms["pairs"] = how.pairs * losses.pair_difference(found, true, source, how.emphasis)
            terms["detail"] = how.detail * losses.gradient_difference(found, true)
        if first < len(batch.faces) and how.cycle:
            back = render(generator, made.faces[first:], -batch.change[first:])
            terms["cycle"] = how.cycle * (scaled(back.faces) - scaled(batch.faces[first:])).abs().mean()
        return terms


class Published:
    """GANimation's: Wasserstein critic with gradient penalty that also reads units, and the way there and back.

    One summed loss for each of the critic's steps, where the first public code took two and so mixed Adam's moments;
    the units' loss is a mean, so its weight does not depend on the batch (4000 over a batch of 25 is 160).
    """

    pairs = False

    def __init__(self, how: Generation) -> None:
        self.how = how

    def make(self, generator: nn.Module, batch: Batch) -> Made:
        return render(generator, batch.faces, batch.target)

    def critic_terms(self, critic: nn.Module, batch: Batch, made_B3HW: Tensor, number: int) -> Terms:
        real_B1HW, units_BK = critic(batch.faces)
        made_B1HW, _ = critic(made_B3HW)
        with torch.autocast(batch.faces.device.type, enabled=False):
            share_B = torch.rand(len(made_B3HW), device=made_B3HW.device)
            slope = losses.unit_slope(lambda face: critic(face)[0], batch.faces, made_B3HW, share_B)
        return {
            "critic": self.how.adversarial * (made_B1HW.mean() - real_B1HW.mean()),
            "slope": self.how.gradient_penalty * slope,
            "critic_units": self.how.units * F.mse_loss(units_BK, batch.source),
        }

    def generator_terms(self, generator: nn.Module, critic: nn.Module | None, batch: Batch, made: Made) -> Terms:
        assert critic is not None
        verdict_B1HW, units_BK = critic(made.faces)
        back = render(generator, made.faces, batch.source)
        masks = (made.mask, back.mask)
        return {
            "adversarial": -self.how.adversarial * verdict_B1HW.mean(),
            "units": self.how.units * F.mse_loss(units_BK, batch.target),
            "cycle": self.how.cycle * (scaled(back.faces) - scaled(batch.faces)).abs().mean(),
            "mask": self.how.mask * sum((1 - mask).mean() for mask in masks),
            "smooth": self.how.smooth * sum(losses.variation(mask) for mask in masks),
        }

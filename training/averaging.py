"""Exponentially averaged weights and the parameter groups of an optimiser: the same for every method."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn


@torch.no_grad()
def average(averaged: nn.Module, network: nn.Module, ema: float, steps_done: int) -> None:
    """Move the averaged weights towards the network's; the first steps move faster, so that the random start is
    forgotten. Whole numbers (counters) are copied."""
    keep = min(ema, (1 + steps_done) / (10 + steps_done))
    for mean, value in zip(averaged.state_dict().values(), network.state_dict().values(), strict=True):
        if mean.dtype.is_floating_point:
            mean.lerp_(value, 1 - keep)
        else:
            mean.copy_(value)


def parameter_groups(network: nn.Module, weight_decay: float) -> list[dict[str, Any]]:
    """Weight decay on weights only; norms and biases are left alone."""
    return [
        {"params": [p for p in network.parameters() if p.ndim > 1], "weight_decay": weight_decay},
        {"params": [p for p in network.parameters() if p.ndim <= 1], "weight_decay": 0.0},
    ]

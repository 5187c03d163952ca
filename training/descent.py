"""How a network goes down its loss: optimiser, learning rate, averaged weights. The same for the classifiers, the face
detector and the landmarker; a generator and its critic have their own (`training/ganimation/task.py`)."""

from __future__ import annotations

import copy
import math
from typing import Any

import torch
from torch import nn

from training import config
from training.averaging import average, parameter_groups


class Descent:
    """Of one network, from the weights and on the device that it has.

    Attributes:
        learner: what learns: the network, or a module that holds it and more.
        averaged: the network with exponentially averaged weights; None where `ema` is 0.
        optimizer: over the learner's parameters.
    """

    def __init__(
        self,
        network: nn.Module,
        how: config.Optimizer,
        epochs: int,
        learner: nn.Module | None = None,
        adam: type[torch.optim.Adam] = torch.optim.AdamW,
    ) -> None:
        """Args:
            epochs: of the run; the schedule's length where it does not say its own.
            adam: which of torch's is meant by the kind `adam`.

        Raises:
            ValueError: an unknown optimiser or schedule.
        """
        if how.schedule not in ("cosine", "exponential"):
            raise ValueError(f"unknown schedule {how.schedule!r}: choose cosine or exponential")
        self.network, self.learner, self._how = network, learner or network, how
        self._epochs = how.schedule_epochs or epochs
        self.averaged = copy.deepcopy(network).eval() if how.ema else None
        groups = parameter_groups(self.learner, how.weight_decay)
        self.optimizer: torch.optim.Optimizer
        if how.kind == "sgd":
            self.optimizer = torch.optim.SGD(groups, how.lr, momentum=0.9, nesterov=True)
        elif how.kind == "adam":
            self.optimizer = adam(groups, how.lr, fused=True)  # a quarter of the time of torch's default on a CPU
        else:
            raise ValueError(f"unknown optimizer {how.kind!r}: choose sgd or adam")

    def set_rate(self, epoch: float) -> None:
        """The learning rate at this point of the run, in epochs."""
        how = self._how
        if how.schedule == "cosine":
            rise = min(1.0, (epoch + 1e-3) / how.warmup_epochs) if how.warmup_epochs else 1.0
            factor = rise * 0.5 * (1 + math.cos(math.pi * min(1.0, epoch / self._epochs)))
        else:
            factor = how.decay ** int(epoch)
        for group in self.optimizer.param_groups:
            group["lr"] = how.lr * factor

    def step(self, steps_done: int) -> None:
        """Once down the gradients that are there, which are then gone; the average follows."""
        self.optimizer.step()
        self.optimizer.zero_grad()
        if self.averaged is not None:
            average(self.averaged, self.network, self._how.ema, steps_done)

    def best(self) -> nn.Module:
        """The network that is evaluated and exported: the averaged one, if there is one."""
        return self.network if self.averaged is None else self.averaged

    def state(self) -> dict[str, Any]:
        """For `restore`."""
        return {
            "network": self.learner.state_dict(),
            "averaged": self.averaged.state_dict() if self.averaged else {},
            "optimizer": self.optimizer.state_dict(),
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Take over what `state` gave."""
        self.learner.load_state_dict(state["network"])
        if self.averaged:
            self.averaged.load_state_dict(state["averaged"])
        self.optimizer.load_state_dict(state["optimizer"])

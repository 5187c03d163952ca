"""Training an expression generator against its critic: batches, optimisers, averaged weights, validation."""

from __future__ import annotations

import copy
import math
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from training import checkpoint
from training.averaging import average, parameter_groups
from training.config import Config
from training.ganimation import scores
from training.ganimation.batches import Batch, draw
from training.ganimation.judge import Judge, judged, readable
from training.ganimation.networks import Critic, Generator, PublishedCritic, PublishedGenerator
from training.ganimation.objectives import Film, Objective, Published, Terms
from training.ganimation.pieces import Pieces, as_tensor, middles, partners
from training.ganimation.rendering import of_network
from training.ganimation.settings import Generation
from training.precision import autocast
from training.shape.scores import correlations, mean_known

VALIDATION_FACES = 384
BETAS = (0.5, 0.999)
STEADY = 2 / 3  # of the epochs of a linear schedule, before it falls


def networks(how: Generation) -> tuple[nn.Module, nn.Module]:
    """Generator and critic of a configuration.

    Raises:
        ValueError: an unknown kind.
    """
    if how.kind == "film":
        return Generator(how.width, how.blocks, how.reach), Critic(how.width)
    if how.kind == "published":
        return PublishedGenerator(how.width, how.blocks), PublishedCritic(how.width)
    raise ValueError(f"unknown kind {how.kind!r} in [generation]: choose film or published")


class GenerationTask:
    """`training.task.Task` for `ganimation`, on one process; one step is `critic_steps` batches, each seen by the
    critic and the last of them by the generator too."""

    def __init__(
        self, config: Config, train: Pieces, validation: Pieces, people: Pieces | None, device: torch.device
    ) -> None:
        torch.manual_seed(config.train.seed)
        how = config.generation
        self.config, self.device, self.train, self.people = config, device, train, people
        self.validation = _spread(validation)
        # Faces come in as rows of RGB pixels: convolutions that keep this order are faster on CPUs.
        self.generator, self.critic = (net.to(device, memory_format=torch.channels_last) for net in networks(how))
        if config.model.init:
            _go_on(self.generator, Path(config.model.init))
        self.averaged = copy.deepcopy(self.generator).eval() if config.optimizer.ema else None
        self.optimizer, self.critic_optimizer = (_optimizer(net, config) for net in (self.generator, self.critic))
        examples = np.linspace(0, len(train) - 1, min(256, len(train))).astype(int)
        example = as_tensor(middles(train.faces[examples]), torch.device("cpu"))
        self.judge = Judge(Path(how.landmarker), example).to(device)
        self.readable = readable(self.judge, self.validation, how.readable, device)
        self.objective: Objective = Published(how)
        if how.kind == "film":
            self.objective = Film(how, self.judge, torch.from_numpy(self.readable).to(device))
        batch = config.train.batch
        self.people_in_batch = round(how.people_share * batch) if people is not None else 0
        self.statues_in_batch = batch - self.people_in_batch
        self.images_per_step = batch * how.critic_steps
        self.steps_per_epoch = len(train) // max(1, self.statues_in_batch * how.critic_steps)
        if how.kind == "published" and how.critic_from:
            raise ValueError("ganimation: a published generator learns from its critic alone: set critic_from = 0")
        if not (self.statues_in_batch and self.steps_per_epoch):
            raise ValueError(
                f"{len(train)} training pictures do not fill one step of {how.critic_steps} x {self.statues_in_batch} "
                "statues: use a smaller batch, fewer critic_steps or a people_share below 1"
            )

    def step(self, epoch: int, step: int) -> dict[str, float]:
        how = self.config.generation
        number = epoch * self.steps_per_epoch + step
        torch.manual_seed(hash((self.config.train.seed, epoch, step)))  # what a game draws on its own
        through = epoch + step / self.steps_per_epoch
        self._set_learning_rate(through)
        self.generator.train()
        self.critic.train()
        critic = self.critic if through >= how.critic_from else None
        terms: Terms = {}
        for turn in range(how.critic_steps):
            batch = self._batch(epoch, step, turn)
            last = turn == how.critic_steps - 1
            with torch.set_grad_enabled(last), autocast(self.device, self.config.train.autocast):
                made = self.objective.make(self.generator, batch)
            if critic is None:
                continue
            critic.requires_grad_(True)
            with autocast(self.device, self.config.train.autocast):
                terms = self.objective.critic_terms(
                    critic, batch, made.faces.detach(), number * how.critic_steps + turn
                )
            _improve(self.critic_optimizer, terms)
        self.critic.requires_grad_(False)
        with autocast(self.device, self.config.train.autocast):
            own = self.objective.generator_terms(self.generator, critic, batch, made)
        _improve(self.optimizer, own)
        if self.averaged is not None:
            average(self.averaged, self.generator, self.config.optimizer.ema, number)
        return {name: float(term.detach()) for name, term in (terms | own).items()}

    def validate(self) -> dict[str, float]:
        """Scores on pairs of held-out heads, the same each time.

        `score` = how much of what copying the source leaves of SSIM to the truth is gained, (SSIM - copy) / (1 - copy),
        not less than -1, + the mean correlation of the units' judged change with the wanted change over the readable
        units, not less than 0. 2 would be perfect, and 0 is what a copy gets. The judge is the one of the training, so
        the correlation flatters.
        """
        faces = middles(self.validation.faces)
        mates = partners(self.validation.scene, np.random.default_rng(0))
        target = self.validation.units[mates]
        rendered, mask = of_network(self._best(), self.config.generation.kind, self.device)(
            faces, self.validation.units, target
        )
        true = faces[mates]
        copied, found = float(scores.ssim(faces, true).mean()), float(scores.ssim(rendered, true).mean())
        gain = max(-1.0, (found - copied) / max(1 - copied, 1e-6))
        change = judged(self.judge, rendered, self.device) - judged(self.judge, faces, self.device)
        r = correlations(change, target - self.validation.units)[self.readable > 0]
        correlation = mean_known(r) if np.isfinite(r).any() else 0.0
        return {
            "score": gain + max(0.0, correlation),
            "ssim": found,
            "ssim_copied": copied,
            "unit_correlation": correlation,
            "difference": float(np.abs(rendered.astype(np.float32) - true).mean()),
            "mask_mean": float(mask.mean()),
        }

    def state(self) -> dict[str, Any]:
        return {name: part.state_dict() for name, part in self._parts().items()}

    def restore(self, state: dict[str, Any]) -> None:
        for name, part in self._parts().items():
            part.load_state_dict(state[name])

    def weights(self) -> dict[str, Any]:
        return self._best().state_dict()

    def _parts(self) -> dict[str, Any]:
        found = {"generator": self.generator, "critic": self.critic, "optimizer": self.optimizer,
                 "critic_optimizer": self.critic_optimizer}  # fmt: skip
        return found | ({"averaged": self.averaged} if self.averaged is not None else {})

    def _batch(self, epoch: int, step: int, turn: int) -> Batch:
        """The batch of these numbers: an epoch has every statue once as a source, and people drawn anew."""
        seed, how = self.config.train.seed, self.config.generation
        order = np.random.default_rng((seed, epoch)).permutation(len(self.train))
        first = (step * how.critic_steps + turn) * self.statues_in_batch
        drawn = np.random.default_rng((seed, epoch, step, turn, 1))
        count = len(self.people) if self.people is not None else 1
        return draw(
            self.train,
            self.people,
            order[first : first + self.statues_in_batch],
            drawn.integers(count, size=self.people_in_batch),
            self.config.augment.flip,
            (seed, epoch, step, turn),
            self.device,
            self.objective.pairs,
        )

    def _best(self) -> nn.Module:
        return self.averaged if self.averaged is not None else self.generator

    def _set_learning_rate(self, epoch: float) -> None:
        how, epochs = self.config.optimizer, self.config.train.epochs
        through = min(1.0, epoch / (how.schedule_epochs or epochs))
        if how.schedule == "cosine":
            fall = 0.5 * (1 + math.cos(math.pi * through))
        elif how.schedule == "linear":
            fall = min(1.0, (1 - through) / (1 - STEADY))
        else:
            raise ValueError(f"ganimation: the schedule must be cosine or linear, not {how.schedule!r}")
        rise = min(1.0, (epoch + 1e-3) / how.warmup_epochs) if how.warmup_epochs else 1.0
        for optimizer in (self.optimizer, self.critic_optimizer):
            for group in optimizer.param_groups:
                group["lr"] = how.lr * rise * fall


def _improve(optimizer: torch.optim.Optimizer, terms: dict[str, Tensor]) -> None:
    optimizer.zero_grad()
    torch.stack(list(terms.values())).sum().backward()
    optimizer.step()


def _optimizer(network: nn.Module, config: Config) -> torch.optim.Optimizer:
    how = config.optimizer
    if how.kind != "adam":
        raise ValueError(f"ganimation: the optimizer must be adam, not {how.kind!r}")
    return torch.optim.AdamW(parameter_groups(network, how.weight_decay), how.lr, BETAS)


def _go_on(generator: nn.Module, init: Path) -> None:
    """Take over another run's generator; its critic starts anew."""
    if init.suffix != ".pt":
        raise ValueError(f"ganimation goes on from a run's best.pt, not from {init}")
    weights = checkpoint.load(init)["weights"]
    own = generator.state_dict()
    if {name: value.shape for name, value in weights.items()} != {name: value.shape for name, value in own.items()}:
        raise ValueError(
            f"{init} holds another generator than [generation] asks for: kind, width and blocks must agree"
        )
    generator.load_state_dict(weights)


def _spread(pieces: Pieces) -> Pieces:
    """About `VALIDATION_FACES` faces in whole scenes, spread over all of them."""
    scenes = np.unique(pieces.scene)
    share = min(1.0, VALIDATION_FACES / len(pieces))
    chosen = scenes[np.unique(np.linspace(0, len(scenes) - 1, max(1, round(share * len(scenes)))).astype(int))]
    return pieces.where(np.isin(pieces.scene, chosen))

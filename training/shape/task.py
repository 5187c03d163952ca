"""Training the face landmarker: batches, losses, optimiser, averaged weights, validation."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from training.config import Config
from training.descent import Descent
from training.precision import autocast
from training.shape import crops, losses, scores
from training.shape.crops import Batch, Crops
from training.shape.networks import Landmarker
from training.shape.settings import Shape
from training.shape.wear import wear
from training.warm_start import start_from


class ShapeTask:
    """`training.task.Task` for `shape`; it runs on `device` and takes the rows of `rank` of `world`."""

    def __init__(
        self, config: Config, train: Crops, validation: Crops, device: torch.device, rank: int = 0, world: int = 1
    ) -> None:
        if not 0 <= config.model.frozen < 3 or (config.model.frozen and not config.model.init):
            raise ValueError("model: frozen must be 0 to 2 stages, of a network that starts from another (init)")
        torch.manual_seed(config.train.seed)
        self.config, self.device, self.rank, self.world = config, device, rank, world
        self.train, self.validation = train, validation
        self.network = Landmarker(config.model.dropout)
        if config.model.init:
            start_from(self.network, Path(config.model.init), self._example)
        self.network.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.frozen = self.network.backbone.first(config.model.frozen).requires_grad_(False)
        self.parallel: nn.Module = DistributedDataParallel(self.network) if world > 1 else self.network
        self.descent = Descent(self.network, config.optimizer, config.train.epochs)
        self.unit_weight = losses.unit_weights(torch.from_numpy(train.units)).to(device)
        self.scene = np.unique(train.scene, return_inverse=True)[1]
        self.images_per_step = config.train.batch
        self.steps_per_epoch = len(train) // config.train.batch
        if self.steps_per_epoch == 0:
            raise ValueError(f"{len(train)} training heads do not fill one batch of {config.train.batch}")

    def step(self, epoch: int, step: int) -> dict[str, float]:
        rows = self._rows(epoch, step)
        seed = hash((self.config.train.seed, epoch, step, self.rank))  # of integers alone: the same in every process
        torch.manual_seed(seed)  # dropout draws from the global generator, so that too starts anew at each step
        generator = torch.Generator().manual_seed(seed)
        how, looks = self.config.shape, self.config.augment
        where = crops.moves(self.train, rows, how, looks, generator)
        batch = crops.take(self.train, rows, where, self.config.train.face_px, self.device)
        batch = wear(batch, how, looks, generator)
        self.descent.set_rate(epoch + step / self.steps_per_epoch)
        self.network.train()
        self.frozen.eval()  # its norms too are as they were
        with autocast(self.device, self.config.train.autocast):
            answer = self.parallel(batch.luma.contiguous(memory_format=torch.channels_last))
        terms = loss_terms(answer, batch, how, self.unit_weight)
        sum(terms.values(), torch.zeros((), device=self.device)).backward()
        self.descent.step(epoch * self.steps_per_epoch + step)
        return {name: float(term.detach()) for name, term in terms.items()}

    def _rows(self, epoch: int, step: int) -> NDArray[np.intp]:
        """Scene by scene, in random order: pictures that differ in their expression alone are in one batch, and what
        else is in them does not move its gradient."""
        places = np.random.default_rng((self.config.train.seed, epoch)).permutation(self.scene.max() + 1)
        order = np.argsort(places[self.scene], kind="stable")
        batch = self.config.train.batch
        share = batch // self.world  # a process takes neighbours, so that its scenes are whole
        return order[step * batch : (step + 1) * batch][self.rank * share : (self.rank + 1) * share]

    def validate(self) -> dict[str, float]:
        """`score`: mean correlation of the action units + exp(-NME / .05); 2 would be perfect.

        NME here is the mean landmark error over the distance of the outer eye corners.
        """
        answers = predict(self.descent.best(), self.validation, self.config, self.device)
        error = float(np.mean(scores.eye_error(answers["landmarks"], answers["true_landmarks"])))
        found = scores.correlations(answers["action_units"], self.validation.units)
        correlation = float(np.nan_to_num(scores.mean_known(found)))
        deviation = np.abs(answers["action_units"] - self.validation.units)
        return {
            "score": max(correlation, 0.0) + math.exp(-error / 0.05),
            "landmark_error": error,
            "unit_correlation": correlation,
            "unit_error": float(np.nan_to_num(scores.mean_known(deviation))),
        }

    def state(self) -> dict[str, Any]:
        return self.descent.state()

    def restore(self, state: dict[str, Any]) -> None:
        self.descent.restore(state)

    def weights(self) -> dict[str, Any]:
        return self.descent.best().state_dict()

    def _example(self) -> Tensor:
        rows = np.linspace(0, len(self.train) - 1, min(256, len(self.train))).astype(np.intp)
        where = crops.moves(self.train, rows, self.config.shape, self.config.augment, torch.Generator().manual_seed(0))
        return crops.take(self.train, rows, where, self.config.train.face_px, torch.device("cpu")).luma


def loss_terms(
    answer: tuple[Tensor, Tensor, Tensor, Tensor, Tensor], batch: Batch, how: Shape, unit_weight_K: Tensor
) -> dict[str, Tensor]:
    """The weighted losses of a batch; a row without landmarks (NaN) counts for its visibility alone."""
    landmarks, units, visible, error, contrast = answer
    known = torch.isfinite(batch.landmarks).all(2).float()
    weight = known * (how.hidden + (1 - how.hidden) * batch.visible)
    trust = losses.visibility(visible, batch.visible.mean(1))
    trust = trust + losses.expected_error(error, landmarks, batch.landmarks, weight)
    return {
        "landmarks": how.landmarks * losses.wing(landmarks, batch.landmarks, weight, how.width, how.curve),
        "units": how.action_units * losses.unit_entropy(units, batch.units, unit_weight_K),
        "contrast": how.contrast * losses.contrast(contrast, batch.units, batch.scene, unit_weight_K),
        "quality": how.quality * trust,
    }


@torch.inference_mode()
def predict(
    network: nn.Module, table: Crops, config: Config, device: torch.device, seed: int = 0
) -> dict[str, NDArray[np.float32]]:
    """Landmarks, action units and true landmarks of every head, its square displaced as a detector would, the same
    way each time; in evaluation mode and the numbers that it learns in."""
    network.eval()
    generator, parts = torch.Generator().manual_seed(seed), []
    steady = replace(config.augment, rotate_deg=0.0, stretch=0.0, flip=0.0)
    for start in range(0, len(table), 128):
        rows = np.arange(start, min(start + 128, len(table)))
        where = crops.moves(table, rows, config.shape, steady, generator)
        batch = crops.take(table, rows, where, config.train.face_px, device)
        with autocast(device, config.train.autocast):  # the network alone: the truth is exact
            landmarks, units, *_ = network(batch.luma.contiguous(memory_format=torch.channels_last))
        parts.append((landmarks.cpu(), torch.sigmoid(units).cpu(), batch.landmarks.cpu()))
    names = ("landmarks", "action_units", "true_landmarks")
    return {name: torch.cat(found).numpy() for name, found in zip(names, zip(*parts, strict=True), strict=True)}

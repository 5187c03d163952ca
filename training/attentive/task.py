"""Training the attentive classifier: people and statues in each batch, expressions of both, landmarks and units of the
statues."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from training import checkpoint
from training.arm import networks as arm
from training.arm.losses import soft_cross_entropy
from training.arm.task import as_luma, predict, told
from training.attentive.heads import Heads
from training.attentive.networks import AttentiveClassifier
from training.config import Config
from training.data.augment import augment
from training.data.faces import FaceTable
from training.descent import Descent
from training.precision import autocast
from training.shape import crops, losses
from training.shape.networks import Landmarker
from training.shape.task import loss_terms
from training.shape.wear import wear

_BEYOND = 0.06  # of the crop's side: landmarks that lie further out have no place in a heat map


class AttentiveTask:
    """`training.task.Task` for `attentive`; it runs on `device` and takes the rows of `rank` of `world`.

    Every batch has the same share of statues, in whole scenes (see `ShapeTask`); an epoch is all people once.
    """

    def __init__(
        self,
        config: Config,
        people: tuple[FaceTable, FaceTable],
        statues: tuple[Heads, Heads],
        device: torch.device,
        rank: int = 0,
        world: int = 1,
    ) -> None:
        """`people`, `statues`: for training and for validation; people's faces as large as they are trained at."""
        torch.manual_seed(config.train.seed)
        self.config, self.device, self.rank, self.world = config, device, rank, world
        (self.people, self.validation), (self.statues, self.heads) = people, statues
        self.people = taught(self.people, config, device)
        self.network = begun(config)
        self.network.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.parallel: nn.Module = DistributedDataParallel(self.network) if world > 1 else self.network
        self.descent = Descent(self.network, config.optimizer, config.train.epochs)
        self.unit_weight = losses.unit_weights(torch.from_numpy(self.statues.crops.units)).to(device)
        self.scene = np.unique(self.statues.crops.scene, return_inverse=True)[1]
        self.images_per_step = config.train.batch
        self.statues_per_step = round(config.train.batch * config.data.statues_share)
        self.people_per_step = config.train.batch - self.statues_per_step
        if not 0 < self.statues_per_step < config.train.batch:
            raise ValueError("data: statues_share must leave both people and statues in a batch")
        self.steps_per_epoch = len(self.people) // self.people_per_step
        if self.steps_per_epoch == 0 or len(self.statues) < self.statues_per_step:
            raise ValueError(f"{len(self.people)} people and {len(self.statues)} statues do not fill one batch")

    def step(self, epoch: int, step: int) -> dict[str, float]:
        people, statues = self._rows(epoch, step)
        seed = hash((self.config.train.seed, epoch, step, self.rank))  # of integers alone: the same in every process
        torch.manual_seed(seed)  # dropout draws from the global generator, so that too starts anew at each step
        generator = torch.Generator().manual_seed(seed)
        how, looks = self.config.shape, self.config.augment
        side_px = self.config.train.face_px
        where = crops.moves(self.statues.crops, statues, how, looks, generator)
        batch = wear(crops.take(self.statues.crops, statues, where, side_px, self.device), how, looks, generator)
        within = ((batch.landmarks > -_BEYOND) & (batch.landmarks < 1 + _BEYOND)).all(2, keepdim=True)
        faces = augment(as_luma(self.people.faces[people], self.device), side_px, looks, generator)
        targets = torch.from_numpy(np.concatenate([self.people.targets[people], self.statues.targets[statues]]))
        self.descent.set_rate(epoch + step / self.steps_per_epoch)
        self.network.train()
        with autocast(self.device, self.config.train.autocast):
            logits, found = self.parallel(torch.cat([faces, batch.luma]).contiguous(memory_format=torch.channels_last))
        terms = {"expressions": soft_cross_entropy(logits.float(), targets.to(self.device))}
        known = replace(batch, landmarks=torch.where(within, batch.landmarks, torch.nan))
        terms |= loss_terms(tuple(part[len(people) :] for part in found), known, how, self.unit_weight)
        sum(terms.values(), torch.zeros((), device=self.device)).backward()
        self.descent.step(epoch * self.steps_per_epoch + step)
        return {name: float(term.detach()) for name, term in terms.items()}

    def _rows(self, epoch: int, step: int) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        random = np.random.default_rng((self.config.train.seed, epoch))
        people = random.permutation(len(self.people))
        statues = np.argsort(random.permutation(self.scene.max() + 1)[self.scene], kind="stable")

        def part(order: NDArray[np.intp], count: int) -> NDArray[np.intp]:
            # statues of an epoch may be more than there are: then they come once more
            rows = np.take(order, np.arange(step * count, (step + 1) * count), mode="wrap")
            share = count // self.world  # a process takes neighbours, so that its scenes are whole
            return rows[self.rank * share : (self.rank + 1) * share]

        return part(people, self.people_per_step), part(statues, self.statues_per_step)

    def validate(self) -> dict[str, float]:
        """`score` is the mean of people's accuracy and the statues' mean recall, both with the mirror image, as it will
        be served."""
        people = told(self.validation.labels, self._predict(self.validation))
        shown = FaceTable(displaced(self.heads, self.config), self.heads.targets, self.heads.labels)
        statues = told(shown.labels, self._predict(shown))
        score = (people["accuracy"] + statues["macro_recall"]) / 2
        return {"score": score, **people, **{f"statues_{name}": value for name, value in statues.items()}}

    def _predict(self, table: FaceTable) -> NDArray[np.float32]:
        with autocast(self.device, self.config.train.autocast):
            network = _Logits(self.descent.best())
            return predict(network, table, self.config.train.face_px, self.device, mirrored=True)

    def state(self) -> dict[str, Any]:
        return self.descent.state()

    def restore(self, state: dict[str, Any]) -> None:
        self.descent.restore(state)

    def weights(self) -> dict[str, Any]:
        return self.descent.best().state_dict()


class _Logits(nn.Module):
    """The network's expressions alone: luma [B, 1, H, W] → logits [B, K], as `predict` asks."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, luma_B1HW: Tensor) -> Tensor:
        return self.network(luma_B1HW)[0]


def displaced(heads: Heads, config: Config, seed: int = 0) -> NDArray[np.uint8]:
    """Crops `[n, side, side] uint8` whose squares are moved as in training, but neither stretched nor mirrored."""
    steady = replace(config.augment, rotate_deg=0.0, stretch=0.0, flip=0.0)
    generator, parts = torch.Generator().manual_seed(seed), []
    for start in range(0, len(heads), 256):
        rows = np.arange(start, min(start + 256, len(heads)))
        where = crops.moves(heads.crops, rows, config.shape, steady, generator)
        luma = crops.take(heads.crops, rows, where, config.train.face_px, torch.device("cpu")).luma
        parts.append(luma.squeeze(1).round().to(torch.uint8).numpy())
    return np.concatenate(parts)


def begun(config: Config) -> AttentiveClassifier:
    """The network with what it begins with: a run of its own kind, or a landmarker's and a classifier's last stage and
    head.

    Raises:
        FileNotFoundError: no such run. ValueError: it is neither kind of run.
    """
    network = AttentiveClassifier(config.model.dropout)
    if config.model.init:
        weights = checkpoint.load(Path(config.model.init))["weights"]
        if weights.keys() == network.state_dict().keys():
            network.load_state_dict(weights)
            return network
        if weights.keys() != Landmarker().state_dict().keys():
            raise ValueError(f"model: init {config.model.init} is neither a landmarker's run nor an attentive one's")
        network.load_state_dict(weights, strict=False)
    if config.attentive.classifier:
        network.begin_as(classifier(config))
    return network


def classifier(config: Config) -> arm.ARM:
    """The run that a configuration names as `attentive.classifier`."""
    found = arm.ARM()
    found.load_state_dict(checkpoint.load(Path(config.attentive.classifier))["weights"])
    return found.eval()


def taught(people: FaceTable, config: Config, device: torch.device) -> FaceTable:
    """People with `attentive.taught` of each target from the classifier that the run begins with."""
    share = config.attentive.taught
    if not share:
        return people
    teacher = classifier(config).to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    with autocast(device, config.train.autocast):
        answers = predict(teacher, people, config.train.face_px, device, mirrored=True)
    return replace(people, targets=(1 - share) * people.targets + share * answers)

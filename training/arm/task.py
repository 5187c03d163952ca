"""Training one of the expression classifiers: batches, losses, optimiser, averaged weights, validation."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from training import metrics
from training.arm import losses, networks
from training.arm.units import WithUnits
from training.config import Config
from training.data.augment import augment, resize
from training.data.faces import EXPRESSIONS, FaceTable, Split
from training.descent import Descent
from training.precision import autocast
from training.shape.losses import unit_entropy, unit_weights
from training.warm_start import start_from

_CHANNELS_LAST_FROM = 8  # of width


@dataclass(frozen=True, slots=True)
class Batch:
    """A step's faces: luma [B, 1, H, W], shares of expressions [B, K], majority [B], units [B, U] (NaN: unknown)."""

    faces: Tensor
    target: Tensor
    label: Tensor
    units: Tensor | None


class ClassificationTask:
    """`training.task.Task` for `arm` and `resnet18`; it runs on `device` and takes the rows of `rank` of `world`."""

    def __init__(self, config: Config, split: Split, device: torch.device, rank: int = 0, world: int = 1) -> None:
        if not 0 <= config.data.statues_share < 1:
            raise ValueError(f"data: statues_share must be in [0, 1), not {config.data.statues_share}")
        if len(config.loss.alpha) not in (1, len(EXPRESSIONS)):
            raise ValueError(f"loss: alpha must be 1 number or {len(EXPRESSIONS)}, not {len(config.loss.alpha)}")
        if config.loss.units and (config.loss.kind != "soft" or split.train.units is None):
            raise ValueError("loss: units are learnt beside kind soft, from statues (data.statues)")
        if not 0 <= config.model.frozen < 4 or (config.model.frozen and not config.model.init):
            raise ValueError("model: frozen must be 0 to 3 stages, of a network that starts from another (init)")
        torch.manual_seed(config.train.seed)
        self.config, self.split, self.device, self.rank, self.world = config, split, device, rank, world
        model = config.model
        self.network = networks.build(model.method, model.dropout, config.train.face_px, model.width, model.stride)
        if config.model.init:
            start_from(self.network, Path(config.model.init), self._example)
        # with as few as 4 channels torch 2.13's kernels for channels last crashed or hung on a CPU without AVX-512
        layout = torch.channels_last if model.width >= _CHANNELS_LAST_FROM else torch.contiguous_format
        self.network.to(device, memory_format=layout)  # type: ignore[call-overload]
        self.frozen = self.network.backbone.first(config.model.frozen).requires_grad_(False)
        self.learner: nn.Module = self.network
        if config.loss.units and split.train.units is not None:
            self.learner = WithUnits(self.network, 8 * model.width, split.train.units.shape[1]).to(device)
            self.unit_weight = unit_weights(torch.from_numpy(split.train.units)).to(device)
        self.parallel: nn.Module = DistributedDataParallel(self.learner) if world > 1 else self.learner
        self.descent = Descent(self.network, config.optimizer, config.train.epochs, self.learner, torch.optim.Adam)
        self.alpha = torch.tensor(config.loss.alpha, device=device)
        self.images_per_step = config.train.batch
        self.people = len(split.train) - split.train_statues
        self.drawn = drawn(self.people, split.train_statues, config.data.statues_share)
        self.steps_per_epoch = sum(self.drawn) // config.train.batch
        if self.steps_per_epoch == 0:
            raise ValueError(f"{len(split.train)} training faces do not fill one batch of {config.train.batch}")

    def step(self, epoch: int, step: int) -> dict[str, float]:
        rows = self._rows(epoch, step)
        seed = hash((self.config.train.seed, epoch, step, self.rank))  # of integers alone: the same in every process
        torch.manual_seed(seed)  # dropout draws from the global generator, so that too starts anew at each step
        generator = torch.Generator().manual_seed(seed)
        known = self.split.train.take(rows)
        faces = as_luma(known.faces, self.device)
        faces = augment(faces, self.config.train.face_px, self.config.augment, generator)
        batch = Batch(
            faces,
            torch.from_numpy(known.targets).to(self.device),
            torch.from_numpy(known.labels).to(self.device),
            None if known.units is None else torch.from_numpy(known.units).to(self.device),
        )
        self.descent.set_rate(epoch + step / self.steps_per_epoch)
        self.learner.train()
        self.frozen.eval()  # its norms too are as they were
        terms = self._backward(batch)
        if self.config.optimizer.sam_rho:
            self._sharpness_aware(batch)
        self.descent.step(epoch * self.steps_per_epoch + step)
        return terms

    def validate(self) -> dict[str, float]:
        """`score` is the accuracy; with statues, the mean of it and the statues' macro recall. With the mirror image,
        as it will be served: an epoch that gains from it must not lose to one that does not. In the numbers that it
        learns in, which are quicker."""
        scores = self._scores(self.split.validation)
        score = scores["accuracy"]
        if self.split.statues is not None:
            statues = self._scores(self.split.statues)
            scores |= {f"statues_{name}": value for name, value in statues.items()}
            score = (score + statues["macro_recall"]) / 2
        return {"score": score, **scores}

    def _scores(self, table: FaceTable) -> dict[str, float]:
        with autocast(self.device, self.config.train.autocast):
            probabilities = predict(self.descent.best(), table, self.config.train.face_px, self.device, mirrored=True)
        return told(table.labels, probabilities)

    def state(self) -> dict[str, Any]:
        return self.descent.state()

    def restore(self, state: dict[str, Any]) -> None:
        self.descent.restore(state)

    def weights(self) -> dict[str, Any]:
        return self.descent.best().state_dict()

    def _example(self) -> Tensor:
        """A batch of training faces, evenly over all of them."""
        rows = np.linspace(0, len(self.split.train) - 1, min(256, len(self.split.train))).astype(np.intp)
        return resize(as_luma(self.split.train.faces[rows], torch.device("cpu")), self.config.train.face_px)

    def _rows(self, epoch: int, step: int) -> NDArray[np.intp]:
        random = np.random.default_rng((self.config.train.seed, epoch))
        people, statues = self.drawn
        chosen = [random.permutation(self.people)[:people], random.permutation(self.split.train_statues)[:statues]]
        order = random.permutation(np.concatenate([chosen[0], self.people + chosen[1]]))
        batch = self.config.train.batch
        return order[step * batch : (step + 1) * batch][self.rank :: self.world]

    def _backward(self, batch: Batch) -> dict[str, float]:
        terms = self._losses(batch)
        sum(terms.values(), torch.zeros((), device=self.device)).backward()
        return {name: float(term.detach()) for name, term in terms.items()}

    def _losses(self, batch: Batch) -> dict[str, Tensor]:
        loss, count = self.config.loss, len(batch.faces)
        faces = torch.cat([batch.faces, batch.faces.flip(3)]) if loss.flip else batch.faces
        with autocast(self.device, self.config.train.autocast):
            answer = self.parallel(faces)
        logits, units = answer if loss.units else (answer, None)
        logits, mirrored = logits[:count].float(), logits[count:].float()
        if loss.kind == "focal":
            terms = {"focal": losses.focal(logits, batch.label, loss.gamma, self.alpha)}
        elif loss.kind in ("soft", "hard"):
            hard = loss.kind == "hard"
            wanted = nn.functional.one_hot(batch.label, logits.shape[1]).float() if hard else batch.target
            terms = {"cross_entropy": losses.soft_cross_entropy(logits, wanted)}
        else:
            raise ValueError(f"unknown loss {loss.kind!r}: choose soft, hard or focal")
        if loss.flip:
            terms["flip"] = loss.flip * losses.flip_consistency(logits, mirrored)
        if units is not None and batch.units is not None:
            terms["units"] = loss.units * unit_entropy(units[:count].float(), batch.units, self.unit_weight)
        return terms

    def _sharpness_aware(self, batch: Batch) -> None:
        """Replace the gradient by the one at the worst nearby point (SAM, Foret et al., ICLR 2021, eq. 2-3)."""
        parameters = [p for p in self.learner.parameters() if p.grad is not None]
        norm = torch.stack([p.grad.norm() for p in parameters]).norm()  # type: ignore[union-attr]
        moves = [p.grad * (self.config.optimizer.sam_rho / (norm + 1e-12)) for p in parameters]  # type: ignore[operator]
        before = [p.detach().clone() for p in parameters]
        with torch.no_grad():
            torch._foreach_add_(parameters, moves)
        self.descent.optimizer.zero_grad()
        self._backward(batch)
        with torch.no_grad():
            torch._foreach_copy_(parameters, before)  # adding and subtracting a move would not be exact


def told(labels: NDArray[np.int64], probabilities: NDArray[np.float32]) -> dict[str, float]:
    """What validation says of probabilities `[n, 7]`."""
    scores = metrics.class_scores(metrics.confusion(labels, probabilities.argmax(1), probabilities.shape[1]))
    return {
        "accuracy": float((probabilities.argmax(1) == labels).mean()),
        "macro_f1": metrics.macro([score.f1 for score in scores]),
        "macro_recall": metrics.macro([score.recall for score in scores]),
        "calibration_error": metrics.calibration_error(labels, probabilities),
    }


def drawn(people: int, statues: int, share: float) -> tuple[int, int]:
    """How many people and statues an epoch has, so that `share` of them are statues: all of the one kind, and of the
    other as many as that takes. Everybody, if there are no statues or `share` is 0."""
    if not share or not statues:
        return people, statues
    return min(people, round(statues * (1 - share) / share)), min(statues, round(people * share / (1 - share)))


def as_luma(faces: NDArray[np.uint8], device: torch.device) -> Tensor:
    """`[n, side, side] uint8` → [n, 1, side, side] float32 in [0, 255]."""
    return torch.from_numpy(faces).to(device).unsqueeze(1).float()


@torch.inference_mode()
def predict(
    network: nn.Module, table: FaceTable, face_px: int, device: torch.device, mirrored: bool = False
) -> NDArray[np.float32]:
    """Probabilities `[n, 7]` of every face, in order, in evaluation mode; `mirrored`: from the mean of the logits of
    the face and its mirror image."""
    network.eval()
    parts = []
    for start in range(0, len(table), 128):
        faces = resize(as_luma(table.faces[start : start + 128], device), face_px)
        views = [faces, faces.flip(3)] if mirrored else [faces]
        logits = torch.stack([network(view.contiguous(memory_format=torch.channels_last)).float() for view in views])
        parts.append(torch.softmax(logits.mean(0), 1).cpu())
    return torch.cat(parts).numpy()

"""Training the face detector: canvases, losses, optimiser, averaged weights, validation on held-out pieces."""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from training.config import Config
from training.descent import Descent
from training.fcos import networks
from training.fcos.assignment import Targets, assign
from training.fcos.composition import FACE, Canvas, compose
from training.fcos.cutouts import Pieces
from training.fcos.finding import distinct
from training.fcos.losses import detection_losses
from training.fcos.scores import Judged, judge
from training.precision import autocast
from training.warm_start import start_from

VALIDATION_CANVASES = 320
LEAST = 0.05  # scores below do not move the average precision
LARGEST_GRADIENT = 5.0

Batch = tuple[Tensor, Targets]


class DetectionTask:
    """`training.task.Task` for `fcos`; it runs on `device` and composes every `world`-th canvas, from `rank` on."""

    def __init__(
        self, config: Config, pieces: Pieces, held_out: Pieces, device: torch.device, rank: int = 0, world: int = 1
    ) -> None:
        if config.scenes.side_px % networks.STRIDES_PX[-1]:
            raise ValueError(f"scenes: side_px must be a multiple of {networks.STRIDES_PX[-1]}")
        torch.manual_seed(config.train.seed)
        self.config, self.pieces, self.held_out = config, pieces, held_out
        self.device, self.rank, self.world = device, rank, world
        self.network: nn.Module = networks.Detector()
        if config.model.init:
            start_from(self.network, Path(config.model.init), lambda: self._compose(0, 0)[0])
        self.network.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.parallel: nn.Module = DistributedDataParallel(self.network) if world > 1 else self.network
        self.descent = Descent(self.network, config.optimizer, config.train.epochs)
        side = config.scenes.side_px
        self.centres, self.strides = (part.to(device) for part in networks.places(side, side))
        self.images_per_step = config.train.batch
        self.steps_per_epoch = config.scenes.canvases // config.train.batch
        if self.steps_per_epoch == 0:
            raise ValueError(f"scenes: {config.scenes.canvases} canvases do not fill one batch of {config.train.batch}")
        self.composer = ThreadPoolExecutor(1, "composer")
        self.ahead: dict[tuple[int, int], Future[Batch]] = {}
        self.validation: list[Canvas] = []

    def step(self, epoch: int, step: int) -> dict[str, float]:
        luma, targets = self._batch(epoch, step)
        self.descent.set_rate(epoch + step / self.steps_per_epoch)
        self.network.train()
        with autocast(self.device, self.config.train.autocast):
            logits, ltrb, points = self.parallel(luma)
        assigned = assign(targets, self.centres, self.strides)
        terms = detection_losses(logits.float(), ltrb.float(), points.float(), self.centres, targets, assigned)
        sum(terms.values(), torch.zeros((), device=self.device)).backward()
        nn.utils.clip_grad_norm_(self.network.parameters(), LARGEST_GRADIENT)
        self.descent.step(epoch * self.steps_per_epoch + step)
        return {name: float(term.detach()) for name, term in terms.items()}

    def validate(self) -> dict[str, float]:
        """Average precision and recall on canvases composed of held-out pieces, always the same ones."""
        if not self.validation:
            seed = (self.config.train.seed, 2**31)
            count = VALIDATION_CANVASES
            self.validation = [compose(self.held_out, self.config.scenes, (*seed, at)) for at in range(count)]
        judged = judge_canvases(self.descent.best(), self.validation, self.device)
        score, recall = judged.average_precision(), judged.recall(0.5)
        return {
            "score": score or 0.0,
            "average_precision": score or 0.0,
            "recall": recall or 0.0,
            "false_per_canvas": judged.false_per_picture(0.5),
        }

    def state(self) -> dict[str, Any]:
        return self.descent.state()

    def restore(self, state: dict[str, Any]) -> None:
        self.descent.restore(state)

    def weights(self) -> dict[str, Any]:
        return self.descent.best().state_dict()

    def _batch(self, epoch: int, step: int) -> Batch:
        """The batch of a step; the next one is composed in the meantime (OpenCV leaves Python's lock alone)."""
        wanted = self.ahead.pop((epoch, step), None) or self.composer.submit(self._compose, epoch, step)
        after = (epoch, step + 1) if step + 1 < self.steps_per_epoch else (epoch + 1, 0)
        self.ahead = {after: self.composer.submit(self._compose, *after)} if after[0] < self.config.train.epochs else {}
        luma, targets = wanted.result()
        return luma.to(self.device), Targets(*(getattr(targets, name).to(self.device) for name in Targets.__slots__))

    def _compose(self, epoch: int, step: int) -> Batch:
        rows = range(self.rank, self.config.train.batch, self.world)
        how, seed = self.config.scenes, self.config.train.seed
        return collate([compose(self.pieces, how, (seed, epoch, step, row)) for row in rows])


def collate(canvases: list[Canvas]) -> Batch:
    """Canvases as one batch: luma [B, 1, H, W] in [0, 255] and their faces, padded to the most of any."""
    most = max(1, *(len(canvas.kinds) for canvas in canvases))
    boxes = np.zeros((len(canvases), most, 4), np.float32)
    points = np.full((len(canvases), most, networks.POINTS, 2), np.nan, np.float32)
    kinds = np.zeros((len(canvases), most), np.int64)
    for row, canvas in enumerate(canvases):
        count = len(canvas.kinds)
        boxes[row, :count], points[row, :count], kinds[row, :count] = canvas.boxes, canvas.points, canvas.kinds
    luma = torch.from_numpy(np.stack([canvas.luma for canvas in canvases])).unsqueeze(1).float()
    targets = Targets(torch.from_numpy(boxes), torch.from_numpy(points), torch.from_numpy(kinds))
    return luma.contiguous(memory_format=torch.channels_last), targets


@torch.inference_mode()
def judge_canvases(network: nn.Module, canvases: list[Canvas], device: torch.device) -> Judged:
    """A network's finds on canvases of one size against what is on them, in float32 and evaluation mode."""
    graph = networks.ServedDetector(network, canvases[0].luma.shape[0]).to(device).eval()
    found, true, silent = [], [], []
    for at in range(0, len(canvases), 16):
        part = canvases[at : at + 16]
        images = torch.from_numpy(np.repeat(np.stack([canvas.luma for canvas in part])[..., None], 3, 3)).to(device)
        boxes, scores, _ = (answer.double().cpu().numpy() for answer in graph(images))
        for canvas, box, score in zip(part, boxes, scores, strict=True):
            kept = score >= LEAST
            one_each = distinct(box[kept], score[kept])
            found.append(np.hstack([box[kept], score[kept, None]])[one_each])
            sides = np.hstack([canvas.boxes[:, :2], canvas.boxes[:, 2:] - canvas.boxes[:, :2]]).astype(np.float64)
            true.append(sides[canvas.kinds == FACE])
            silent.append(sides[canvas.kinds != FACE])
    return judge(found, true, silent)

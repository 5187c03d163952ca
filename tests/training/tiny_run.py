"""A whole training run in seconds, as a script, so that a test can kill it or start two processes of it:

python tiny_run.py FOLDER [seconds to sleep after each step]
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from training import loop
from training.arm import networks
from training.arm.task import ClassificationTask
from training.config import Config, from_dict
from training.data.faces import FaceTable, Split, one_hot


class SmallBackbone(nn.Module):
    """Stands for ResNet-18: luma [B, 1, H, W] → [B, 512, H/32, W/32] in five convolutions, whatever width is asked;
    none has fewer channels than torch's kernels for channels last bear (`training/arm/task.py`)."""

    def __init__(self, width: int = 64, stride: int = 32) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for before, after in ((1, 8), (8, 8), (8, 8), (8, 16), (16, 512)):
            layers += [nn.Conv2d(before, after, 3, 2, 1, bias=False), nn.BatchNorm2d(after), nn.ReLU()]
        self.layers = nn.Sequential(*layers)

    def forward(self, luma_B1HW: Tensor) -> Tensor:
        return self.layers(networks.standardise(luma_B1HW))

    def first(self, stages: int) -> nn.ModuleList:
        return nn.ModuleList(self.layers[: 3 * stages])


def patterned(count: int, side: int = 24) -> FaceTable:
    """Faces that can be told apart: expression k is a grating of its own direction, with some noise."""
    random = np.random.default_rng(0)
    labels = np.arange(count) % 7
    y, x = np.mgrid[0:side, 0:side] / side
    angle = labels[:, None, None] * np.pi / 7
    waves = 128 + 90 * np.sin(12 * (x * np.cos(angle) + y * np.sin(angle)))
    noisy = waves + random.normal(0, 12, waves.shape)
    return FaceTable(noisy.clip(0, 255).astype(np.uint8), one_hot(labels), labels)


def config(**sections: dict[str, object]) -> Config:
    """Two epochs of five steps with everything on that has a state: dropout, augmentation, momentum, averaging."""
    values = {
        "name": "tiny",
        "model": {"method": "resnet18", "dropout": 0.3},
        "optimizer": {"lr": 0.02, "ema": 0.9, "warmup_epochs": 0.0},
        "train": {"epochs": 2, "batch": 8, "face_px": 32, "threads": 1, "autocast": False, "checkpoint_every_s": 0.0},
    }
    return from_dict(values | {name: values.get(name, {}) | section for name, section in sections.items()})


def build(wanted: Config, process: loop.Process) -> ClassificationTask:
    networks.Backbone = SmallBackbone
    split = Split(patterned(40), patterned(21))
    return ClassificationTask(wanted, split, process.device, process.rank, process.world)


def main(folder: Path, sleep_s: float) -> None:
    wanted = config()
    held: list[ClassificationTask] = []

    def slow(process: loop.Process) -> ClassificationTask:
        task = build(wanted, process)
        quick = task.step

        def step(epoch: int, number: int) -> dict[str, float]:
            terms = quick(epoch, number)
            print("step", epoch, number, flush=True)  # noqa: T201
            time.sleep(sleep_s)
            return terms

        task.step = step  # type: ignore[method-assign]
        held.append(task)
        return task

    best = loop.run(wanted, slow, folder)
    total = sum(float(value.double().sum()) for value in held[0].network.parameters())
    (folder / f"process_{held[0].rank}.json").write_text(json.dumps({"best": best, "weights": total}))
    loop.leave()


if __name__ == "__main__":
    torch.set_num_threads(1)
    main(Path(sys.argv[1]), float(sys.argv[2]) if len(sys.argv) > 2 else 0.0)

"""The classifiers of the experiments: what each learns from, and its training through the usual loop.

Each is trained from scratch on the same number of pictures shown, chosen by validation faces of its own sources, and
kept in `classifiers/<name>-<fingerprint>/`, a run's folder: an ended training goes on, a finished one is not repeated.
"""

from __future__ import annotations

import hashlib
import json
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from training import loop, runs
from training.arm.task import ClassificationTask, as_luma, predict
from training.config import Config, Loss, Model, Optimizer, Train
from training.data.faces import FaceTable, Split
from training.experiments.settings import Experiments

PEOPLE, GAN, RENDERED = "people", "GAN", "rendered"
SPLITS = ("ARM-2", "ARM-1", "ARM-0")


@dataclass(frozen=True, slots=True)
class Recipe:
    """One classifier: `method`, the sources that it learns from, how the GAN's pictures were split, and its loss."""

    method: str
    sources: tuple[str, ...]
    split: str = "ARM-1"
    loss: Loss = field(default_factory=Loss)

    @property
    def name(self) -> str:
        split = f", {self.split}" if self.sources == (GAN,) else ""
        return f"{METHODS[self.method]} on {' + '.join(self.sources)}{split}"


METHODS = {"arm": "ARM", "resnet18": "ResNet-18"}
ON_PEOPLE = Recipe("arm", (PEOPLE,))
RESNET_ON_PEOPLE = Recipe("resnet18", (PEOPLE,))
ON_GAN = tuple(Recipe(method, (GAN,), split) for split in SPLITS for method in METHODS)
MIXED = (
    ON_PEOPLE,
    Recipe("arm", (PEOPLE, GAN)),
    Recipe("arm", (PEOPLE, RENDERED)),
    Recipe("arm", (PEOPLE, RENDERED, GAN)),
    Recipe("arm", (GAN,)),
)


@dataclass(frozen=True, slots=True)
class Trained:
    """A finished classifier. `shown`: training faces, `epochs`: passes over them; `wall_s`: of the last call."""

    name: str
    network: nn.Module
    face_px: int
    device: torch.device
    shown: int
    epochs: int
    wall_s: float

    def probabilities(self, table: FaceTable) -> NDArray[np.float32]:
        return predict(self.network, table, self.face_px, self.device)

    def says(self, table: FaceTable) -> NDArray[np.int64]:
        """The expression of each face, `[n]`; it depends on no other face."""
        return self.probabilities(table).argmax(1).astype(np.int64)

    @torch.inference_mode()
    def features(self, table: FaceTable) -> NDArray[np.float32]:
        """The mean of the last maps, `[n, F]`."""
        self.network.eval()
        backbone = self.network.get_submodule("backbone")
        parts = [
            backbone(as_luma(table.faces[at : at + 128], self.device)).mean((2, 3)).cpu()
            for at in range(0, len(table), 128)
        ]
        return torch.cat(parts).numpy()


def train(recipe: Recipe, split: Split, how: Experiments, folder: Path) -> Trained:
    """Train, go on, or open what was trained.

    Raises:
        ValueError: too few faces for one batch.
    """
    config = configured(recipe, len(split.train), how)
    where = folder / f"{_slug(recipe)}-{_print(config, split)}"
    done = where / "finished.json"
    if not done.exists():
        began = time.monotonic()
        # The averaged weights start with the first step; a best.pt exists after the first epoch.
        loop.run(config, lambda process: ClassificationTask(config, split, process.device), where)
        done.write_text(json.dumps({"wall_s": round(time.monotonic() - began, 1)}) + "\n")
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    network = runs.open_run(where).network.to(device)
    wall_s = json.loads(done.read_text())["wall_s"]
    return Trained(recipe.name, network, config.train.face_px, device, len(split.train), config.train.epochs, wall_s)


def configured(recipe: Recipe, faces: int, how: Experiments) -> Config:
    """The run's configuration: as many epochs as bring the faces shown nearest to `images`."""
    net = how.network
    return Config(
        name=_slug(recipe),
        model=Model(recipe.method, width=net.width, stride=net.stride),
        loss=recipe.loss,
        optimizer=Optimizer(lr=net.lr, ema=net.ema),
        train=Train(
            epochs=max(1, round(net.images / max(1, faces))),
            batch=min(net.batch, faces),
            face_px=net.face_px,
            seed=how.seed,
            threads=net.threads,
            autocast=net.autocast,
        ),
        augment=how.augment,
    )


def _slug(recipe: Recipe) -> str:
    plain = "".join(letter if letter.isalnum() else "_" for letter in recipe.name.lower())
    return "_".join(part for part in plain.split("_") if part)


def _print(config: Config, split: Split) -> str:
    digest = hashlib.sha256(json.dumps(asdict(config), sort_keys=True).encode())
    for table in (split.train, split.validation):
        for part in (table.faces, table.targets, table.labels):
            digest.update(np.ascontiguousarray(part).tobytes())
    return digest.hexdigest()[:10]

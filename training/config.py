"""A training run is one frozen configuration, read from TOML and saved beside the run before it starts.

Paths in a configuration may use `~` and are relative to the working directory. An unknown key is an error, so a
misspelt one cannot silently train something else.
"""

from __future__ import annotations

import dataclasses
import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, get_args, get_type_hints

from training.data.augment import Augmentation
from training.fcos.scenes import Scenes
from training.ganimation.settings import Generation
from training.shape.settings import Shape


@dataclass(frozen=True, slots=True)
class Data:
    """`source`: ferplus, rafdb or folder (see `training/data/`). `path`: where it lies. `rows`: use only the first
    so many training rows (0: all), for a quick try. `statues`: rendered corpora, one or several, that are learnt beside
    it, their faces cut with the exported `landmarker`; `statues_share`: of an epoch's faces, which then has all of the
    one kind and as many of the other, drawn anew, as that takes (0 = everybody once). `statues_test`: corpora of other
    heads, one or several; `mien evaluate` alone reads them.
    """

    source: str = "ferplus"
    path: str = "../shared/data/ferplus"
    rows: int = 0
    statues: tuple[str, ...] = ()
    statues_share: float = 0.0
    statues_test: tuple[str, ...] = ()
    landmarker: str = "model_repository/face_landmarker/4/model.onnx"


@dataclass(frozen=True, slots=True)
class Model:
    """`method`: arm or resnet18 (expressions), fcos (face detector), shape (landmarker) or ganimation (expressions put
    on faces). `init`: what to start from ('' = from scratch): another run's checkpoint or an exported model, see
    `training/warm_start.py`; ganimation takes a checkpoint only. `width`, `stride`: of the classifiers' backbone, see
    `training/arm/networks.py`; only 64 and 32 are ResNet-18 and can be exported. `frozen`: so many of the trunk's
    stages (a classifier has four, the landmarker three), and the stem, keep the weights that they start from: a step
    takes less time, and learns less."""

    method: str = "arm"
    dropout: float = 0.0
    init: str = ""
    width: int = 64
    stride: int = 32
    frozen: int = 0


@dataclass(frozen=True, slots=True)
class Loss:
    """`kind`: soft (cross-entropy with the annotators' votes), hard (with the majority label) or focal.

    `alpha`: the focal loss's class weights: 1 number (a scalar, which only scales the loss) or 7 (one per expression).
    `flip`: weight of the flip consistency, squared distance between the probabilities of a face and its mirror image.
    `units`: weight of the action units' cross-entropy, which a linear layer on the mean of the backbone's last maps
    reads from faces whose units are known (rendered statues); the layer is not exported. With it, statues of free
    combinations of units are learnt from too. Only beside `soft`.
    """

    kind: str = "soft"
    gamma: float = 2.0
    alpha: tuple[float, ...] = (1.0,)
    flip: float = 0.0
    units: float = 0.0


@dataclass(frozen=True, slots=True)
class Optimizer:
    """`kind`: sgd (Nesterov, momentum 0.9) or adam. `schedule`: cosine (to 0 at `schedule_epochs`, 0 =
    the last one, after `warmup_epochs`), exponential (times `decay` each epoch) or linear (ganimation alone: level for
    two thirds, then to 0). `sam_rho`: radius of sharpness-aware minimisation (0 = off; doubles the cost).
    `ema`: decay per step of the averaged weights that are evaluated and exported (0 = off)."""

    kind: str = "sgd"
    lr: float = 0.05
    weight_decay: float = 5e-4
    schedule: str = "cosine"
    warmup_epochs: float = 0.5
    schedule_epochs: int = 0
    decay: float = 0.9
    sam_rho: float = 0.0
    ema: float = 0.0


@dataclass(frozen=True, slots=True)
class Train:
    """`batch` is over all processes together. `autocast`: bf16 where the device multiplies it itself, else float32."""

    epochs: int = 16
    batch: int = 64
    face_px: int = 112
    seed: int = 0
    threads: int = 0
    autocast: bool = True
    checkpoint_every_s: float = 120.0


@dataclass(frozen=True, slots=True)
class Config:
    """Everything that decides a run. `name` is the run's folder under `runs/`.

    `scenes` is for the face detector (method fcos) alone, `shape` for the landmarker (method shape), `generation` for
    the expression generator (method ganimation); none of them uses `loss`, the generator no `data` either.
    """

    name: str
    data: Data = field(default_factory=Data)
    model: Model = field(default_factory=Model)
    loss: Loss = field(default_factory=Loss)
    optimizer: Optimizer = field(default_factory=Optimizer)
    train: Train = field(default_factory=Train)
    augment: Augmentation = field(default_factory=Augmentation)
    scenes: Scenes = field(default_factory=Scenes)
    shape: Shape = field(default_factory=Shape)
    generation: Generation = field(default_factory=Generation)


def load(path: Path) -> Config:
    """Read a TOML file.

    Raises:
        ValueError: an unknown key or a value of the wrong type, named with its section.
    """
    with path.open("rb") as file:
        return from_dict({"name": path.stem, **tomllib.load(file)})


def from_dict(values: dict[str, Any]) -> Config:
    return build(Config, values, "configuration")


def as_dict(config: Config) -> dict[str, Any]:
    return dataclasses.asdict(config)


def build(kind: Any, values: dict[str, Any], where: str) -> Any:
    """A dataclass from a table of values; its fields may be dataclasses, and are tables then.

    Raises:
        ValueError: an unknown key or a value of the wrong type, named with `where`.
    """
    hints = get_type_hints(kind)
    unknown = sorted(set(values) - set(hints))
    if unknown:
        raise ValueError(f"{where}: unknown key {unknown[0]!r}; known are {', '.join(hints)}")
    built: dict[str, Any] = {}
    for key, value in values.items():
        hint = hints[key]
        if dataclasses.is_dataclass(hint):
            built[key] = build(hint, value, key)
        elif hint in (tuple[float, ...], tuple[str, ...]):
            kind_of_item = get_args(hint)[0]
            built[key] = tuple(kind_of_item(item) for item in (value if isinstance(value, (list, tuple)) else [value]))
        elif hint is float and isinstance(value, int) and not isinstance(value, bool):
            built[key] = float(value)
        elif type(value) is not hint:
            raise ValueError(f"{where}: {key} must be {hint.__name__}, not {value!r}")
        else:
            built[key] = value
    return kind(**built)

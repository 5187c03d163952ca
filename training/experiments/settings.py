"""The experiments' frozen configuration, read from TOML: `training/configs/experiments_*.toml`, one for each size.

Paths may use `~` and are relative to the working directory; an unknown key is an error.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from training import config
from training.data.augment import Augmentation


@dataclass(frozen=True, slots=True)
class People:
    """The people's set, in RAF-DB's role. `source`, `path`: as in a run's `data`. `rows`, `test_rows`: use only the
    first so many (0 = all). `edited`: neutral test faces that get expressions, for table 7 (0 = all)."""

    source: str = "ferplus"
    path: str = "../shared/data/ferplus"
    rows: int = 0
    test_rows: int = 0
    edited: int = 0


@dataclass(frozen=True, slots=True)
class Statues:
    """Rendered corpora of different heads: `train` is learnt from, `test` holds the truth and fills the roles.

    `rows`: learn from only so many pictures (0 = all). `landmarker`: cuts the faces.
    """

    train: str = "~/.cache/mien/clay/train"
    test: str = "~/.cache/mien/clay/test"
    rows: int = 0
    landmarker: str = "model_repository/face_landmarker/4/model.onnx"


@dataclass(frozen=True, slots=True)
class Gan:
    """GAN18K. `folder`: one that `mien gan18k` has made ('' = make it here). Made here: every one of `sources` neutral
    faces of `faces` (photographs or a rendered corpus; '' = the statues' training corpus) meets every one of
    `references` draws of each expression, at each of `steps`, with the models of the repository `models`."""

    folder: str = ""
    faces: str = ""
    sources: int = 89
    references: int = 10
    steps: tuple[float, ...] = (0.4, 0.6, 0.8)
    models: str = "model_repository"


@dataclass(frozen=True, slots=True)
class Roles:
    """Folders or CSV files of the user's own figures, see `figures.py` ('' = rendered ones stand in); `share`: of the
    paper's counts, for a quick try. `truth`: labelled photographs of statues, for the test the paper never made."""

    cw58: str = ""
    postures: str = ""
    han: str = ""
    american: str = ""
    truth: str = ""
    share: float = 1.0


@dataclass(frozen=True, slots=True)
class Network:
    """Every classifier is trained from scratch on `images` pictures in all, in as many epochs as that makes, so that a
    larger set has no more steps than a smaller one. `width`, `stride`: of the backbone (64 and 32: ResNet-18)."""

    width: int = 64
    stride: int = 32
    face_px: int = 112
    images: int = 400_000
    batch: int = 64
    lr: float = 0.03
    ema: float = 0.998
    threads: int = 0
    autocast: bool = True


@dataclass(frozen=True, slots=True)
class Experiments:
    """`seed`: of splits, draws, annotators and training. `draws`: of the bootstrap and of the permutation tests."""

    name: str
    seed: int = 1
    draws: int = 2000
    people: People = field(default_factory=People)
    statues: Statues = field(default_factory=Statues)
    gan: Gan = field(default_factory=Gan)
    roles: Roles = field(default_factory=Roles)
    network: Network = field(default_factory=Network)
    augment: Augmentation = field(default_factory=Augmentation)


def load(path: Path) -> Experiments:
    """Read a TOML file.

    Raises:
        ValueError: an unknown key or a value of the wrong type, named with its section.
    """
    with path.open("rb") as file:
        return from_dict({"name": path.stem, **tomllib.load(file)})


def from_dict(values: dict[str, Any]) -> Experiments:
    made: Experiments = config.build(Experiments, values, "experiments")
    if not 0 < made.roles.share <= 1:
        raise ValueError(f"roles: share must be in (0, 1], not {made.roles.share}")
    if made.draws < 1 or made.network.images < 1 or made.network.batch < 1:
        raise ValueError("draws, images and batch must be 1 or more")
    return made

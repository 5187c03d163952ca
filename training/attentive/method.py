"""The attentive classifier behind the command line: what `training.methods.Method` asks for."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from training.arm.method import evaluate as evaluate
from training.attentive.heads import Heads, load
from training.attentive.task import AttentiveTask, displaced
from training.clay import corpus as clay
from training.config import Config
from training.data import sources
from training.data.faces import FaceTable, Split
from training.data.statues import enlarged, mixed
from training.export import export as land
from training.loop import Process
from training.shape.align import landmarker
from training.shape.crops import Framing
from training.shape.frame import framed_shape, framing
from training.shape.method import FRAMED_FACES


def build(config: Config, process: Process) -> AttentiveTask:
    """The task: people, and the corpora's heads in memory, some identities held out."""
    people, statues = _faces(config, process.rank == 0)
    training = enlarged(people.train, config.train.face_px)
    return AttentiveTask(config, (training, people.validation), statues, process.device, process.rank, process.world)


def _faces(config: Config, shown: bool) -> tuple[Split, tuple[Heads, Heads]]:
    """People, and (training, validation) heads of the statues' corpora.

    Raises:
        ValueError: the configuration names no statues.
    """
    if not config.data.statues:
        raise ValueError("data: name at least one rendered corpus in statues, landmarks and units are learnt from them")
    people = sources.read(config.data.source, config.data.path, config.data.rows)
    corpora = [clay.read(Path(path)) for path in config.data.statues]
    about = square(config, people.train.faces)
    return people, load(corpora, about, config.shape.held_out, config.shape.cache_px, shown)


def square(config: Config, people: NDArray[np.uint8]) -> Framing:
    """Where the classifier's square lies about known landmarks: where people's faces are framed so, as the exported
    landmarker sees the surer half of them.

    Raises:
        FileNotFoundError: no such landmarker.
    """
    chosen = people[np.unique(np.linspace(0, len(people) - 1, FRAMED_FACES).astype(int))]
    return framing(framed_shape(landmarker(Path(config.data.landmarker)), chosen))


def read(config: Config) -> Split:
    """The run's faces as a classifier sees them, 112 px a side, squares of statues displaced as a detector's."""
    people, (training, validation) = _faces(config, shown=True)
    statues = [
        FaceTable(displaced(heads, config), heads.targets, heads.labels, heads.crops.units)
        for heads in (training, validation)
    ]
    return Split(mixed(people.train, statues[0]), people.validation, statues[1], len(training))


def export(config: Config, folder: Path, repository: Path, role: str) -> Path:
    """Land the run's best epoch as the next version; see `training.export`."""
    return land(folder, repository, read(config), role)

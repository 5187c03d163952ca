"""The methods that a configuration may name, and what each can do; every verb of the command line goes through here.

A method is a folder whose `method.py` has the three functions of `Method`; its entry in the model repository is named
by the role it plays there.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from training.config import Config
from training.loop import Process
from training.task import Task

ROLES = {
    "arm": ("training.arm.method", "expression_classifier"),
    "resnet18": ("training.arm.method", "expression_classifier"),
    "fcos": ("training.fcos.method", "face_detector"),
    "shape": ("training.shape.method", "face_landmarker"),
    "ganimation": ("training.ganimation.method", "expression_generator"),
}


@dataclass(frozen=True, slots=True)
class Method:
    """One method.

    Attributes:
        role: its entry in the model repository.
        build: (configuration, process) → the task that the training loop drives.
        evaluate: (configuration, run's folder, exported file or None) → writes the report, returns one sentence.
        export: (configuration, run's folder, repository, role) → the folder of the version that landed.
    """

    role: str
    build: Callable[[Config, Process], Task]
    evaluate: Callable[[Config, Path, Path | None], str]
    export: Callable[[Config, Path, Path, str], Path]


def of(config: Config) -> Method:
    """The method of a configuration.

    Raises:
        ValueError: there is no such method.
    """
    name = config.model.method
    if name not in ROLES:
        raise ValueError(f"unknown method {name!r}: choose one of {', '.join(ROLES)}")
    path, role = ROLES[name]
    module = importlib.import_module(path)
    return Method(role, module.build, module.evaluate, module.export)

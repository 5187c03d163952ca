"""The experiments that `mien experiment` may name, in the order in which `all` runs them.

An experiment is a file with `TITLE`, `USES` (the sections of the configuration that decide it, so that a change
elsewhere does not compute it again) and `run(study) → Outcome`.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass

from training.experiments.outcome import Outcome
from training.experiments.study import Study

_ROOM = "training.experiments"
EXPERIMENTS = {
    "annotators": f"{_ROOM}.figures58",
    "people": f"{_ROOM}.people",
    "gan18k": f"{_ROOM}.generated",
    "behaviour": f"{_ROOM}.behaviour",
    "statues": f"{_ROOM}.missing",
    "postures": f"{_ROOM}.postures",
    "similarity": f"{_ROOM}.similarity",
    "others": f"{_ROOM}.others",
    "balance": f"{_ROOM}.balance",
    "leak": f"{_ROOM}.leak",
}


@dataclass(frozen=True, slots=True)
class Experiment:
    name: str
    title: str
    uses: tuple[str, ...]
    run: Callable[[Study], Outcome]


def of(name: str) -> Experiment:
    """An experiment by its name.

    Raises:
        ValueError: there is no such experiment.
    """
    if name not in EXPERIMENTS:
        raise ValueError(f"there is no experiment {name!r}: choose all, {', '.join(EXPERIMENTS)}")
    module = importlib.import_module(EXPERIMENTS[name])
    return Experiment(name, module.TITLE, module.USES, module.run)

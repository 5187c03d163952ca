"""A finished (or interrupted) run's folder, opened for reading: its configuration and its best network."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from training import checkpoint
from training.arm import networks
from training.arm.networks import ARM, ResNet18
from training.config import Config, from_dict


@dataclass(frozen=True, slots=True)
class Run:
    """One run. `network`: the best weights by validation, in evaluation mode; `scores`: what validation then said."""

    folder: Path
    config: Config
    network: ARM | ResNet18
    scores: dict[str, float]


def open_run(folder: Path) -> Run:
    """Read `config.json` and `best.pt`.

    Raises:
        FileNotFoundError: the folder holds no run, or no epoch of it has ended yet.
    """
    record = folder / "config.json"
    if not record.exists():
        raise FileNotFoundError(f"no run in {folder}: train its configuration first (mien train CONFIG)")
    config = from_dict(json.loads(record.read_text()))
    best = checkpoint.load(folder / "best.pt")
    model = config.model
    network = networks.build(model.method, model.dropout, config.train.face_px, model.width, model.stride)
    network.load_state_dict(best["weights"], strict=True)
    return Run(folder, config, network.eval(), best["scores"])


def epochs(folder: Path) -> list[dict[str, Any]]:
    """The lines of `metrics.jsonl` in order; the later one where a run that was killed wrote an epoch twice."""
    log = folder / "metrics.jsonl"
    lines = [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []
    return [line for _, line in sorted({line["epoch"]: line for line in lines}.items())]

"""Checkpoints that a kill at any moment leaves whole: written aside, flushed, then renamed."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import torch


def save(path: Path, state: dict[str, Any]) -> None:
    """Write tensors and plain values atomically."""
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_name(path.name + ".writing")
    with aside.open("wb") as file:
        torch.save(state, file)
        file.flush()
        os.fsync(file.fileno())
    aside.replace(path)


def load(path: Path) -> dict[str, Any]:
    """Read a checkpoint; only tensors and plain values, never code.

    Raises:
        FileNotFoundError: naming the command that writes it.
    """
    if not path.exists():
        raise FileNotFoundError(f"no checkpoint {path}: train its configuration first (mien train CONFIG)")
    state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    return state

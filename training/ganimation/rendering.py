"""A generator as a function of faces and units, whether it is a network in torch or an exported file.

Everything that scores or draws goes through `Render`, so that ours (which takes a change) and the published one (which
takes target units) are measured alike.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from training import gate
from training.ganimation.networks import Generator, ServedGenerator
from training.ganimation.objectives import render
from training.ganimation.pieces import as_tensor

# faces `[n, 128, 128, 3] uint8`, their units `[n, 17]`, wanted units `[n, 17]` → rendered faces uint8, masks
# `[n, 128, 128]`
Render = Callable[
    [NDArray[np.uint8], NDArray[np.float32], NDArray[np.float32]], tuple[NDArray[np.uint8], NDArray[np.float32]]
]
_BATCH = 16


def of_network(network: nn.Module, kind: str, device: torch.device) -> Render:
    """A generator of a kind (`film`, `published`), in float32 and evaluation mode."""

    @torch.inference_mode()
    def rendered(
        faces: NDArray[np.uint8], source: NDArray[np.float32], target: NDArray[np.float32]
    ) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
        network.eval()
        condition = target if kind == "published" else np.clip(target - source, -1, 1)
        pictures, masks = [], []
        for at in range(0, len(faces), _BATCH):
            wanted = torch.from_numpy(condition[at : at + _BATCH].astype(np.float32)).to(device)
            made = render(network, as_tensor(faces[at : at + _BATCH], device), wanted)
            pictures.append(made.faces.round().clamp(0, 255).to(torch.uint8).permute(0, 2, 3, 1).cpu())
            masks.append(made.mask[:, 0].cpu())
        return torch.cat(pictures).numpy(), torch.cat(masks).numpy()

    return rendered


def of_file(path: Path) -> Render:
    """An exported generator, on one core.

    Raises:
        FileNotFoundError: no such file.
    """
    if not path.exists():
        raise FileNotFoundError(f"no generator at {path}: export one first (mien export CONFIG)")
    model = gate.of_file(path)

    def rendered(
        faces: NDArray[np.uint8], source: NDArray[np.float32], target: NDArray[np.float32]
    ) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
        change = (target - source).astype(np.float32)
        found = [model(faces[at : at + _BATCH], change[at : at + _BATCH]) for at in range(0, len(faces), _BATCH)]
        pictures = np.concatenate([answer["rendered"] for answer in found])
        return pictures.astype(np.uint8), np.concatenate([answer["mask"] for answer in found])

    return rendered


def served(network: Generator) -> Callable[[NDArray[np.uint8], NDArray[np.float32]], gate.Answers]:
    """The graph that is exported, in torch, as a function of faces and change: its answers by name."""
    model = ServedGenerator(network)

    @torch.inference_mode()
    def answers(faces: NDArray[np.uint8], change: NDArray[np.float32]) -> gate.Answers:
        rendered, mask = model(torch.from_numpy(faces), torch.from_numpy(change))
        return {"rendered": rendered.numpy(), "mask": mask.numpy()}

    return answers

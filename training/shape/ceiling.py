"""How well action units can be told from landmarks alone, the better the more exact these are.

    python -m training.shape.ceiling training/configs/face_landmarker.toml

A small network learns the units from a training corpus' true landmarks, moved by so much at random, and reads those of
the test corpus, moved alike. Where it does better than the landmarker, the picture of the units is not what is missing:
the landmarks are. Errors are mean distances over √(box area), as in `mien evaluate`'s groups.
"""

from __future__ import annotations

import argparse
import math
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from rich.console import Console
from torch import nn

from training.clay import corpus as clay
from training.config import load
from training.shape import scores
from training.shape.crops import usable

ERRORS = (0.0, 0.01, 0.02, 0.03)
_EPOCHS, _BATCH, _RATE = 18, 256, 4e-3

F32 = NDArray[np.float32]


def readable(train: clay.Corpus, test: clay.Corpus, error: float, epochs: int = _EPOCHS) -> F32:
    """Pearson's r of each unit on the test corpus, `[17]`, from landmarks that are off by `error`; NaN where a unit
    never varies."""
    random, generator = np.random.default_rng(0), torch.Generator().manual_seed(0)
    torch.manual_seed(0)
    rows, asked = usable(train), usable(test)
    landmarks, units = torch.from_numpy(shapes(train, rows, 0.0, random)), torch.from_numpy(train.action_units[rows])
    mean, spread = landmarks.mean(0), landmarks.std(0) + 1e-3
    wide = landmarks.shape[1]
    network = nn.Sequential(
        nn.Linear(wide, 512), nn.ReLU(), nn.Dropout(0.1), nn.Linear(512, 256), nn.ReLU(), nn.Linear(256, units.shape[1])
    )
    optimizer = torch.optim.AdamW(network.parameters(), _RATE, weight_decay=0.02)
    steps = max(1, len(rows) // _BATCH)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, _RATE, total_steps=epochs * steps)
    for _ in range(epochs):
        moved = (torch.from_numpy(shapes(train, rows, error, random)) - mean) / spread
        order = torch.randperm(len(rows), generator=generator)
        for step in range(steps):
            chosen = order[step * _BATCH : (step + 1) * _BATCH]
            nn.functional.binary_cross_entropy_with_logits(network(moved[chosen]), units[chosen]).backward()
            optimizer.step()
            optimizer.zero_grad()
            schedule.step()
    network.eval()
    with torch.inference_mode():
        moved = (torch.from_numpy(shapes(test, asked, error, random)) - mean) / spread
        found = torch.sigmoid(network(moved)).numpy()
    return scores.correlations(found, test.action_units[asked]).astype(np.float32)


def shapes(corpus: clay.Corpus, rows: NDArray[np.intp], error: float, random: np.random.Generator) -> F32:
    """Landmarks moved by `error` on average, then brought to the middle, to level eyes and to one size, `[n, 136]`."""
    points = corpus.landmarks[rows].astype(np.float64)
    size = np.sqrt(corpus.box[rows, 2] * corpus.box[rows, 3])[:, None, None]
    # the mean length of a normal step in the plane is √(π/2) of its deviation along one axis
    points = points + random.normal(0, 1, points.shape) * error * size / math.sqrt(math.pi / 2)
    points -= points.mean(1, keepdims=True)
    points /= np.sqrt((points**2).mean((1, 2), keepdims=True))
    across = points[:, 42:48].mean(1) - points[:, 36:42].mean(1)
    turn = -np.arctan2(across[:, 1], across[:, 0])
    turn = np.where(np.abs(turn) < 1, turn, 0)  # a profile's eyes lie behind each other
    cos, sin = np.cos(turn), np.sin(turn)
    level = np.stack([np.stack([cos, -sin], -1), np.stack([sin, cos], -1)], -2)
    return np.einsum("nij,nlj->nli", level, points).reshape(len(rows), -1).astype(np.float32)


def table(found: dict[float, F32]) -> str:
    """As Markdown: a row a unit, a column an error."""
    head = ["unit", *(f"off by {100 * error:g} %" for error in found)]
    rows = [[name, *(f"{each[at]:.2f}" for each in found.values())] for at, name in enumerate(clay.ACTION_UNITS)]
    rows.append(["mean", *(f"{scores.mean_known(each):.2f}" for each in found.values())])
    return "\n".join(f"| {' | '.join(row)} |" for row in (head, ["---"] * len(head), *rows))


def main() -> None:
    parser = argparse.ArgumentParser(description="How well action units can be told from landmarks alone.")
    parser.add_argument("config", type=Path, help="of a landmarker: it names the two corpora")
    try:
        config = load(parser.parse_args().config)
        train, test = clay.read(Path(config.data.path)), clay.read(Path(config.shape.test))
    except (FileNotFoundError, ValueError) as error:
        parser.error(str(error))
    found = table({error: readable(train, test, error) for error in ERRORS})
    Console().print(found, markup=False, soft_wrap=True)


if __name__ == "__main__":
    main()

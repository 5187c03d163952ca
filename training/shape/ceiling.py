"""How well action units and expressions can be told from landmarks alone, the better the more exact these are.

    python -m training.shape.ceiling training/configs/face_landmarker.toml

A small network learns both from a training corpus' true landmarks, moved by so much at random, and reads those of the
test corpus, moved alike. Where it does better than the landmarker or the classifier, the picture does not lack what is
to be told: seeing it exactly is what lacks. Errors are mean distances over √(box area), as in `mien evaluate`'s groups.
"""

from __future__ import annotations

import argparse
import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from rich.console import Console
from torch import nn

from training import metrics
from training.clay import corpus as clay
from training.config import load
from training.data.faces import EXPRESSIONS, NO_EXPRESSION, clearly_shown
from training.shape import scores
from training.shape.crops import usable

ERRORS = (0.0, 0.01, 0.02, 0.03)
_EPOCHS, _BATCH, _RATE = 18, 256, 4e-3

F32 = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Readable:
    """What can be told of a test corpus. `units` `[17]`: Pearson's r, NaN where a unit never varies; `expressions`:
    mean recall of the seven, over neutral faces and those that show their expression at .55 or more."""

    units: F32
    expressions: float


def readable(train: clay.Corpus, test: clay.Corpus, error: float, epochs: int = _EPOCHS) -> Readable:
    """What landmarks that are off by `error` tell."""
    random, generator = np.random.default_rng(0), torch.Generator().manual_seed(0)
    torch.manual_seed(0)
    rows, asked = usable(train), usable(test)
    landmarks, units = torch.from_numpy(shapes(train, rows, 0.0, random)), torch.from_numpy(train.action_units[rows])
    shown = torch.from_numpy(clear(train, rows))
    mean, spread = landmarks.mean(0), landmarks.std(0) + 1e-3
    wide, known = landmarks.shape[1], units.shape[1]
    network = nn.Sequential(
        nn.Linear(wide, 512), nn.ReLU(), nn.Dropout(0.1), nn.Linear(512, 256), nn.ReLU(),
        nn.Linear(256, known + len(EXPRESSIONS)),
    )  # fmt: skip
    optimizer = torch.optim.AdamW(network.parameters(), _RATE, weight_decay=0.02)
    steps = max(1, len(rows) // _BATCH)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, _RATE, total_steps=epochs * steps)
    for _ in range(epochs):
        moved = (torch.from_numpy(shapes(train, rows, error, random)) - mean) / spread
        order = torch.randperm(len(rows), generator=generator)
        for step in range(steps):
            chosen = order[step * _BATCH : (step + 1) * _BATCH]
            told = network(moved[chosen])
            of_units = nn.functional.binary_cross_entropy_with_logits(told[:, :known], units[chosen])
            named = shown[chosen] != NO_EXPRESSION
            of_expressions = nn.functional.cross_entropy(told[named, known:], shown[chosen][named], reduction="sum")
            (of_units + 0.2 * of_expressions / _BATCH).backward()
            optimizer.step()
            optimizer.zero_grad()
            schedule.step()
    network.eval()
    with torch.inference_mode():
        moved = (torch.from_numpy(shapes(test, asked, error, random)) - mean) / spread
        found = network(moved).numpy()
    labels = clear(test, asked)
    named = labels != NO_EXPRESSION
    counts = metrics.confusion(labels[named], found[named, known:].argmax(1), len(EXPRESSIONS))
    return Readable(
        scores.correlations(1 / (1 + np.exp(-found[:, :known])), test.action_units[asked]).astype(np.float32),
        metrics.macro([each.recall for each in metrics.class_scores(counts)]),
    )


def clear(corpus: clay.Corpus, rows: NDArray[np.intp]) -> NDArray[np.int64]:
    """The number of the expression that each row shows, `[n]`; `NO_EXPRESSION` if none, or not clearly."""
    numbers = {name: number for number, name in enumerate(EXPRESSIONS)}
    labels = np.array([numbers.get(name, NO_EXPRESSION) for name in corpus.expression[rows]], np.int64)
    return np.where(clearly_shown(labels, corpus.intensity[rows]), labels, NO_EXPRESSION)


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


def table(found: dict[float, Readable]) -> str:
    """As Markdown: a row a unit, then their mean and the expressions'; a column an error."""
    head = ["unit", *(f"off by {100 * error:g} %" for error in found)]
    rows = [[name, *(f"{each.units[at]:.2f}" for each in found.values())] for at, name in enumerate(clay.ACTION_UNITS)]
    rows.append(["mean", *(f"{scores.mean_known(each.units):.2f}" for each in found.values())])
    rows.append(["expressions: mean recall, %", *(f"{100 * each.expressions:.0f}" for each in found.values())])
    return "\n".join(f"| {' | '.join(row)} |" for row in (head, ["---"] * len(head), *rows))


def main() -> None:
    parser = argparse.ArgumentParser(description="How well units and expressions can be told from landmarks alone.")
    parser.add_argument("config", type=Path, help="of a landmarker: it names the two corpora")
    parser.add_argument("--train", type=Path, help="a training corpus other than the configuration's")
    try:
        asked = parser.parse_args()
        config = load(asked.config)
        train, test = clay.read(asked.train or Path(config.data.path)), clay.read(Path(config.shape.test))
    except (FileNotFoundError, ValueError) as error:
        parser.error(str(error))
    found = table({error: readable(train, test, error) for error in ERRORS})
    Console().print(found, markup=False, soft_wrap=True)


if __name__ == "__main__":
    main()

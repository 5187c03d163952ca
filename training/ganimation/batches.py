"""What a training step sees: statues with their truth, people without one; a function of a seed alone."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from training.ganimation.pieces import Pieces, partners, places, take

NOISE = 0.1  # published: added to each target unit, uniform on both sides


@dataclass(frozen=True, slots=True)
class Batch:
    """B faces on their device, the first P of them with a true picture of what is wanted.

    Attributes:
        faces: [B, 3, 128, 128] in [0, 255].
        truths: [P, 3, 128, 128], pictures of the same scenes.
        source, target: units [B, 17] in [0, 1].
        reals: [B, 3, 128, 128], real faces for the critic: the truths, then the people as they are.
        real_change: [B, 17] in [-1, 1], the change that led to each real face; for people from units drawn anew.
    """

    faces: Tensor
    truths: Tensor
    source: Tensor
    target: Tensor
    reals: Tensor
    real_change: Tensor

    @property
    def change(self) -> Tensor:
        """[B, 17] in [-1, 1]."""
        return self.target - self.source


def draw(
    statues: Pieces,
    people: Pieces | None,
    rows: NDArray[np.intp],
    people_rows: NDArray[np.intp],
    flip: float,
    seed: tuple[int, ...],
    device: torch.device,
    pairs: bool = True,
) -> Batch:
    """The batch of these statues and people.

    Args:
        pairs: a statue's target is another picture of its scene; else all targets are other faces' units, with noise,
            and no face has a truth.
    """
    random = np.random.default_rng(seed)
    generator = torch.Generator().manual_seed(int(random.integers(2**62)))
    where = places(len(rows) + len(people_rows), flip, generator)
    faces = [take(statues.faces[rows], where[: len(rows)], device)]
    source = [statues.units[rows]]
    if people is not None and len(people_rows):
        faces.append(take(people.faces[people_rows], where[len(rows) :], device))
        source.append(people.units[people_rows])
    faces_B3HW, source_B = torch.cat(faces), np.concatenate(source)
    target_B, other_B = (_others(statues, people, len(source_B), random) for _ in range(2))
    truths_P3HW = faces_B3HW[:0]
    if pairs:
        mates = partners(statues.scene, random)[rows]
        truths_P3HW = take(statues.faces[mates], where[: len(rows)], device)
        target_B[: len(rows)] = statues.units[mates]
    else:
        target_B = np.clip(target_B + random.uniform(-NOISE, NOISE, target_B.shape), 0, 1).astype(np.float32)
    first = len(truths_P3HW)
    has_truth_B = (np.arange(len(source_B)) < first)[:, None]
    real_change_B = np.where(has_truth_B, target_B - source_B, source_B - other_B)

    def on(values: NDArray[np.float32]) -> Tensor:
        return torch.from_numpy(values).to(device)

    reals_B3HW = torch.cat([truths_P3HW, faces_B3HW[first:]])
    return Batch(faces_B3HW, truths_P3HW, on(source_B), on(target_B), reals_B3HW, on(real_change_B))


def _others(statues: Pieces, people: Pieces | None, count: int, random: np.random.Generator) -> NDArray[np.float32]:
    """Units of faces drawn at random, half of them people's where there are people."""
    found = statues.units[random.integers(len(statues), size=count)]
    if people is not None:
        theirs = people.units[random.integers(len(people), size=count)]
        found = np.where((random.random(count) < 0.5)[:, None], theirs, found)
    return found.astype(np.float32)

"""Three ways to split pictures that a generator made, from leaky to strict.

A picture has a source (the face that was repainted), a reference (the draw of action units that was put on it) and a
step (how far). The shares are the paper's 7 : 1 : 2.

- ARM-2: pictures of one source are spread over all parts, so nearly the same picture is on both sides (the paper's).
- ARM-1: a source is in one part only (the paper's); the same reference still is on all sides.
- ARM-0: sources and references are both divided; a picture stays where both lie in the same part, and is dropped where
  they do not. With shares a, b and c of both, a² + b² + c² stay: 54 % of a full grid.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

SHARES = (0.7, 0.1, 0.2)
PARTS = ("training", "validation", "test")


@dataclass(frozen=True, slots=True)
class Parts:
    """Row numbers of each part. `mixed`: rows whose source and reference lie in different parts; `unused`: training
    rows that were left out to even the sizes."""

    train: NDArray[np.intp]
    validation: NDArray[np.intp]
    test: NDArray[np.intp]
    mixed: int = 0
    unused: int = 0


def within_source(source: NDArray[np.str_], label: NDArray[np.int64], seed: int) -> Parts:
    """ARM-2. Every source's pictures of each expression are shared out 7 : 1 : 2."""
    random = np.random.default_rng((seed, 2))
    part = np.empty(len(source), np.int64)
    for name in np.unique(source):
        for expression in np.unique(label):
            rows = random.permutation(np.flatnonzero((source == name) & (label == expression)))
            # Where a group of three begins is drawn, else a few pictures would never reach the small parts.
            place = (np.arange(len(rows)) + random.random()) / max(len(rows), 1)
            part[rows] = np.searchsorted(np.cumsum(SHARES)[:2], place, side="right")
    return _parts(part)


def by_source(source: NDArray[np.str_], seed: int) -> Parts:
    """ARM-1. Raises ValueError: fewer than three sources."""
    return _parts(_divided(source, seed, "sources"))


def by_source_and_reference(source: NDArray[np.str_], reference: NDArray[np.int64], seed: int) -> Parts:
    """ARM-0. Raises ValueError: fewer than three sources or references, or a part that no picture fits into."""
    one, other = _divided(source, seed, "sources"), _divided(reference, seed, "references")
    return _parts(np.where(one == other, one, -1))


def matched(parts: dict[str, Parts], label: NDArray[np.int64], seed: int) -> dict[str, Parts]:
    """The same splits with training parts of one size, class by class, so that they differ in what leaks alone."""
    fewest = {
        expression: min(int((label[each.train] == expression).sum()) for each in parts.values())
        for expression in np.unique(label)
    }
    random = np.random.default_rng((seed, 7))
    cut = {}
    for name, each in parts.items():
        order = random.permutation(each.train)
        kept = [order[label[order] == expression][:count] for expression, count in fewest.items()]
        rows = np.sort(np.concatenate(kept))
        cut[name] = Parts(rows, each.validation, each.test, each.mixed, len(each.train) - len(rows))
    return cut


def _divided(names: NDArray, seed: int, what: str) -> NDArray[np.int64]:  # type: ignore[type-arg]
    """The part of each row, by its name alone; every part has a name."""
    unique = np.unique(names)
    if len(unique) < len(PARTS):
        raise ValueError(f"{len(unique)} {what} are too few to divide into {', '.join(PARTS)}: make more")
    order = np.random.default_rng((seed, len(unique))).permutation(len(unique))
    held = [max(1, round(share * len(unique))) for share in SHARES[1:]]
    part_of = np.zeros(len(unique), np.int64)
    part_of[order[: held[0]]] = 1
    part_of[order[held[0] : sum(held)]] = 2
    return part_of[np.searchsorted(unique, names)]


def _parts(part: NDArray[np.int64]) -> Parts:
    rows = [np.flatnonzero(part == number) for number in range(len(PARTS))]
    for name, found in zip(PARTS, rows, strict=True):
        if not len(found):
            raise ValueError(f"no picture fits into the {name} part: make more of them")
    return Parts(*rows, mixed=int((part < 0).sum()))

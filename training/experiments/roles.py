"""Who plays what: the statues of the paper, by the user's own pictures or by rendered warriors that stand in.

    CW58        58 figures, one picture each, with annotators
    postures    85: 18 kneeling, 25 generals, 17 standing ("vertical"), 6 cavalry, 19 civil servants
    Han         43 of another dress and material
    American    33 of other styles: scanned busts, other materials

Rendered stand-ins come from the test corpus, of whose heads nothing was learnt; no head plays two roles. Their
expressions were drawn at random: they say nothing about what real warriors, generals or Americans show.
"""

from __future__ import annotations

import logging
import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from training.clay import corpus as clay
from training.data import statues
from training.experiments.figures import POSTURES, Figures, join, own, resized
from training.experiments.settings import Roles

LOG = logging.getLogger("mien.training")
CW58, HAN, AMERICAN = 58, 43, 33
SCANNED = 11  # of the American figures at most: three busts in several lights and materials
WARRIOR = ("terracotta",)


@dataclass(frozen=True, slots=True)
class Cast:
    """The roles; `own`: which of them are the user's pictures."""

    cw58: Figures
    postures: Figures
    han: Figures
    american: Figures
    own: tuple[str, ...]


def cast(how: Roles, truth: Figures, scans: Figures | None, side_px: int, seed: int) -> Cast:
    """Fill the roles.

    Args:
        truth: rendered figures with known expressions, weak ones too, as of real figures.
        scans: scanned busts, if there are any.

    Raises:
        FileNotFoundError, ValueError: a user's folder is not what it should be, or too few heads are left.
    """
    pool = _Pool(truth, seed)
    counts = {posture: _count(count, how) for posture, count in POSTURES.items()}
    mine: list[str] = []

    def given(path: str, role: str) -> Figures | None:
        if not path:
            return None
        mine.append(role)
        return own(Path(path), side_px, role)

    postures = given(how.postures, "postures")
    if postures is not None and not np.isin(postures.posture, list(POSTURES)).all():
        raise ValueError(f"postures: {how.postures} has pictures without a posture: use {', '.join(POSTURES)}")
    if postures is None:
        found = [pool.draw(count, f"{posture} figures", truth.posture == posture) for posture, count in counts.items()]
        postures = truth.take(np.concatenate(found))
    cw58 = given(how.cw58, "CW58")
    if cw58 is None:
        dressed = (truth.posture != "bust").astype(int) + np.isin(truth.material, WARRIOR)
        cw58 = truth.take(pool.draw(_count(CW58, how), "CW58", rank=dressed))
    foreign = ~np.isin(truth.material, WARRIOR)
    han = given(how.han, "Han")
    if han is None:
        han = truth.take(pool.draw(_count(HAN, how), "Han", rank=foreign + (truth.posture != "bust").astype(int)))
    american = given(how.american, "American")
    if american is None:
        american = _american(_count(AMERICAN, how), pool, scans, foreign + (truth.posture == "bust").astype(int), seed)
    return Cast(cw58, postures, han, american, tuple(mine))


def rendered(folder: Path, landmarker: Path, side_px: int) -> tuple[Figures, statues.Statues]:
    """A rendered corpus' pictures with known expressions, weak ones too, as figures and as the classifier's reader
    gives them, row by row the same.

    Raises:
        FileNotFoundError: no corpus or no landmarker.
    """
    found = statues.read(folder, landmarker)
    corpus = clay.read(folder)
    rows = found.row
    figures = Figures(
        resized(found.table.faces, side_px),
        found.table.labels,
        found.intensity,
        found.identity,
        corpus.posture[rows],
        np.where(corpus.kind[rows] == "scan", "scan", corpus.material[rows]),
    )
    return figures, found


class _Pool:
    """Figures of which every head is given away once."""

    def __init__(self, figures: Figures, seed: int) -> None:
        self.figures, self._random, self._taken = figures, np.random.default_rng((seed, 85)), set[str]()

    def draw(
        self,
        count: int,
        role: str,
        wanted: NDArray[np.bool_] | None = None,
        rank: NDArray[np.int64] | None = None,
    ) -> NDArray[np.intp]:
        """One picture each of `count` heads: only `wanted` ones, those of the highest `rank` first."""
        order = self._random.permutation(len(self.figures))
        if rank is not None:
            order = order[np.argsort(-rank[order], kind="stable")]
        rows: list[int] = []
        for row in order:
            name = str(self.figures.identity[row])
            if len(rows) < count and name not in self._taken and (wanted is None or wanted[row]):
                rows.append(int(row))
                self._taken.add(name)
        if len(rows) < count:
            raise ValueError(
                f"{role}: {count} heads are needed and {len(rows)} are left: render a larger test corpus "
                "(mien clay render, a larger --count), name a folder of your own in [roles], or lower its share"
            )
        return np.array(rows, np.intp)


def _american(count: int, pool: _Pool, scans: Figures | None, rank: NDArray[np.int64], seed: int) -> Figures:
    figures = pool.figures
    if scans is None or not len(scans):
        LOG.warning("no scanned head in the training corpus: all American stand-ins are rendered heads")
        return figures.take(pool.draw(count, "American", rank=rank))
    _, first = np.unique(scans.identity, return_index=True)
    few = np.random.default_rng((seed, 33)).permutation(first)[: min(SCANNED, count // 3)]
    return join(scans.take(few), figures.take(pool.draw(count - len(few), "American", rank=rank)))


def _count(count: int, how: Roles) -> int:
    return max(1, math.ceil(how.share * count - 1e-9))

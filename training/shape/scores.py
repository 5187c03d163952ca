"""How good landmarks and action units are, in numbers; n faces, landmarks `[n, 68, 2]`, units `[n, 17]`.

NME: the mean distance between found and true landmarks over a length of the face: the distance of the outer eye corners
(as on 300-W; meaningless in profile) or the square root of the box's area (for all poses).
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

PARTS = {
    "jaw": slice(0, 17),
    "brows": slice(17, 27),
    "nose": slice(27, 36),
    "eyes": slice(36, 48),
    "mouth": slice(48, 68),
}
OUTER_EYES = (36, 45)

Floats = NDArray[np.floating]
Interval = tuple[float, float]


def distances(found: Floats, true: Floats) -> Floats:
    """`[n, 68]`, in the landmarks' unit."""
    return np.linalg.norm(found - true, axis=2)


def eye_error(found: Floats, true: Floats) -> Floats:
    """NME of each face by the distance of the outer eye corners, `[n]`."""
    right, left = OUTER_EYES
    length = np.linalg.norm(true[:, left] - true[:, right], axis=1)
    return distances(found, true).mean(1) / np.maximum(length, 1e-6)


def area_under(errors: Floats, limit: float = 0.08) -> float:
    """Area under the cumulative curve of errors up to `limit`, as a share of what no error would give."""
    return float(np.clip(1 - errors / limit, 0, None).mean()) if len(errors) else float("nan")


def correlations(found: Floats, true: Floats) -> Floats:
    """Pearson's r of each action unit over the faces where it is known; NaN where it never varies, `[17]`."""
    known = np.isfinite(true)
    count = np.maximum(known.sum(0), 1)
    x = np.where(known, found, 0.0)
    y = np.where(known, true, 0.0)
    x = np.where(known, x - x.sum(0) / count, 0.0).astype(np.float64)
    y = np.where(known, y - y.sum(0) / count, 0.0).astype(np.float64)
    below = np.sqrt((x * x).sum(0) * (y * y).sum(0))
    varies = below > 1e-9 * count
    return np.where(varies, (x * y).sum(0) / np.where(varies, below, 1.0), np.nan)


def agreement(found: Floats, true: Floats) -> Floats:
    """ICC(3,1) of each action unit (Shrout & Fleiss, 1979): correlation that a wrong scale lowers too, `[17]`."""
    result = np.full(true.shape[1], np.nan)
    for unit in range(true.shape[1]):
        known = np.isfinite(true[:, unit])
        pair = np.stack([found[known, unit], true[known, unit]], 1).astype(np.float64)
        if len(pair) < 2:
            continue
        faces, sides, middle = pair.mean(1, keepdims=True), pair.mean(0, keepdims=True), pair.mean()
        between = 2 * ((faces - middle) ** 2).sum() / (len(pair) - 1)
        rest = ((pair - faces - sides + middle) ** 2).sum() / (len(pair) - 1)
        if between + rest > 0 and np.ptp(pair[:, 1]) > 0:
            result[unit] = (between - rest) / (between + rest)
    return result


def mean_known(values: Floats) -> float:
    """Mean of what is not NaN; NaN if nothing is left."""
    known = values[np.isfinite(values)]
    return float(known.mean()) if len(known) else float("nan")


def interval(
    groups: NDArray[np.str_], score: Callable[[NDArray[np.intp]], float], rounds: int = 300, seed: int = 0
) -> Interval:
    """95 % bootstrap interval of a score of rows, drawing whole groups (identities): faces of one head are alike."""
    random = np.random.default_rng(seed)
    rows = [np.flatnonzero(groups == name) for name in np.unique(groups)]
    drawn = [
        score(np.concatenate([rows[at] for at in random.integers(0, len(rows), len(rows))])) for _ in range(rounds)
    ]
    known = np.array([value for value in drawn if np.isfinite(value)])
    if not len(known):
        return float("nan"), float("nan")
    low, high = np.percentile(known, (2.5, 97.5))
    return float(low), float(high)

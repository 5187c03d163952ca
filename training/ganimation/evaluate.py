"""A generator scored on heads that it has never seen, beside what copying the source would score, and on people.

Readers: the exported landmarker (which also judged in training: its figures flatter) and an independent expression
classifier (`readers.py`). Every distance to the truth stands beside that of the unchanged source: most of a pair is
alike, so a generator that does nothing scores well on distances alone.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from training.clay.corpus import ACTION_UNITS
from training.ganimation import readers, scores
from training.ganimation.pieces import Pieces, middles, partners
from training.ganimation.readers import Classifier, Faces
from training.ganimation.rendering import Render
from training.ganimation.showing import Group, neutral, score
from training.shape.frame import Function
from training.shape.scores import Interval, correlations, interval, mean_known

ALONE, ALONE_CHANGE = 64, 0.6  # sources for one unit alone, and how much of it is asked


@dataclass(frozen=True, slots=True)
class Distance:
    """A mean over faces with its 95 % interval by identity, and the same for the unchanged source."""

    value: float
    interval: Interval
    copied: float
    copied_interval: Interval


@dataclass(frozen=True, slots=True)
class Response:
    """One unit over all pairs: slope and r of the read change on the wanted change, r's 95 %, and r of the change that
    is read between the source and the true picture: what a perfect generator would get from this reader."""

    slope: float
    correlation: float
    interval: Interval
    truth: float


@dataclass(frozen=True, slots=True)
class Pairs:
    """True pairs. `frechet`, `kernel`: FID and KID of the classifier's features, outputs against truths; `*_copied`:
    sources against truths, nearly the same pictures in another order, so the floor at this number of faces.
    `crosstalk[asked][read]`: mean change of every unit when one alone is asked to grow by `ALONE_CHANGE`."""

    faces: int
    identities: int
    ssim: Distance
    psnr: Distance
    gradients: Distance
    frechet: float
    frechet_copied: float
    kernel: float
    kernel_copied: float
    units: dict[str, Response]
    correlation: float
    correlation_interval: Interval
    crosstalk: list[list[float]]


@dataclass(frozen=True, slots=True)
class Evaluation:
    pairs: Pairs
    statues: Group
    people: Group | None


def evaluate(
    render: Render, statues: Pieces, people: Pieces | None, landmarker: Function, classifier: Classifier
) -> Evaluation:
    """Score a generator on pairs of statues and on neutral statues and people.

    Raises:
        ValueError: there is no neutral statue, or no neutral person among the people.
    """
    return Evaluation(
        _pairs(render, statues, landmarker, classifier),
        score(render, statues, landmarker, classifier),
        score(render, people, landmarker, classifier) if people is not None else None,
    )


def _pairs(render: Render, statues: Pieces, landmarker: Function, classifier: Classifier) -> Pairs:
    faces, mates = middles(statues.faces), partners(statues.scene, np.random.default_rng(0))
    true, target, names = faces[mates], statues.units[mates], statues.identity
    rendered, _ = render(faces, statues.units, target)
    before, after = readers.read(faces, landmarker), readers.read(rendered, landmarker)
    asked, read = target - statues.units, after.units - before.units
    each, ideal = correlations(read, asked), correlations(before.units[mates] - before.units, asked)
    slope = scores.slopes(read, asked)

    def correlation(rows: NDArray[np.intp], unit: slice = slice(None)) -> float:
        return mean_known(correlations(read[rows, unit], asked[rows, unit]))

    def distance(measure: Callable[[Faces, Faces], NDArray[np.float64]]) -> Distance:
        found, copied = measure(rendered, true), measure(faces, true)
        spans = [interval(names, lambda rows, of=of: float(of[rows].mean())) for of in (found, copied)]  # type: ignore[misc]
        return Distance(float(found.mean()), spans[0], float(copied.mean()), spans[1])

    _, made = classifier(readers.framed(rendered, before.frame))
    _, source = classifier(readers.framed(faces, before.frame))
    _, real = classifier(readers.framed(true, before.frame))
    return Pairs(
        faces=len(faces),
        identities=len(np.unique(names)),
        ssim=distance(scores.ssim),
        psnr=distance(scores.psnr),
        gradients=distance(scores.gradients),
        frechet=scores.frechet(made, real),
        frechet_copied=scores.frechet(source, real),
        kernel=scores.kernel_distance(made, real),
        kernel_copied=scores.kernel_distance(source, real),
        units={
            name: Response(
                float(slope[at]),
                float(each[at]),
                interval(names, lambda rows, at=at: correlation(rows, slice(at, at + 1))),  # type: ignore[misc]
                float(ideal[at]),
            )
            for at, name in enumerate(ACTION_UNITS)
        },
        correlation=mean_known(each),
        correlation_interval=interval(names, correlation),
        crosstalk=_crosstalk(render, statues, landmarker),
    )


def _crosstalk(render: Render, statues: Pieces, landmarker: Function) -> list[list[float]]:
    calm = neutral(statues)
    chosen = np.zeros(len(calm), bool)
    chosen[np.unique(np.linspace(0, len(calm) - 1, min(ALONE, len(calm))).astype(int))] = True
    calm = calm.where(chosen)
    faces = middles(calm.faces)
    before = readers.read(faces, landmarker).units
    found = []
    for unit in range(len(ACTION_UNITS)):
        target = calm.units.copy()
        target[:, unit] = np.minimum(1, target[:, unit] + ALONE_CHANGE)
        rendered, _ = render(faces, calm.units, target)
        found.append((readers.read(rendered, landmarker).units - before).mean(0).tolist())
    return found

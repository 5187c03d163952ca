"""Expressions put on neutral faces, of statues and of people alike: whether an independent classifier sees them, how
much is repainted, and whether the face is still the same one."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from training.clay.corpus import ACTION_UNITS
from training.clay.units import PROTOTYPES
from training.data.faces import EXPRESSIONS
from training.ganimation import readers
from training.ganimation.pieces import Pieces, middles
from training.ganimation.readers import Classifier, Floats
from training.ganimation.rendering import Render
from training.shape.frame import Function
from training.shape.scores import Interval, interval, mean_known

SHOWN = tuple(PROTOTYPES)  # the six expressions that can be put on a face
CLEAR = 0.55  # from this intensity on a rendered expression counts as shown
MOST = 200  # neutral sources, and true faces of each expression


@dataclass(frozen=True, slots=True)
class Expression:
    """How often the classifier sees what was asked for, its 95 %, how often it sees it in the source already, and how
    often it is right about true pictures of it (None: there are none)."""

    agreement: float
    interval: Interval
    source: float
    truth: float | None


@dataclass(frozen=True, slots=True)
class Identity:
    """Cosine of the classifier's features of output and source, the same with other identities' sources, and how often
    an output's nearest source, one for each identity, is its own."""

    own: float
    interval: Interval
    others: float
    found: float
    identities: int


@dataclass(frozen=True, slots=True)
class Group:
    """What is measured of statues and of people alike. Masks are those of the expressions put on neutral faces: mean,
    and its 5th and 95th percentile over faces. `zero`: largest difference in levels when no change is asked."""

    faces: int
    expressions: dict[str, Expression]
    agreement: float
    identity: Identity
    mask_mean: float
    mask_spread: Interval
    zero: int


def wanted(expression: str, units: Floats) -> Floats:
    """Units `[n, 17]` of faces with units `[n, 17]` when the expression is added to what they show."""
    added = np.array([PROTOTYPES[expression][0].get(name, 0.0) for name in ACTION_UNITS], np.float32)
    return np.clip(units + added, 0, 1).astype(np.float32)


def neutral(pieces: Pieces) -> Pieces:
    """The first `MOST` neutral faces.

    Raises:
        ValueError: there is none.
    """
    chosen = pieces.expression == "neutral"
    if not chosen.any():
        raise ValueError("no neutral face to put an expression on: render more, or leave out people without labels")
    return pieces.where(chosen & (np.cumsum(chosen) <= MOST))


def score(render: Render, pieces: Pieces, landmarker: Function, classifier: Classifier) -> Group:
    """Put the six expressions on the neutral ones of these faces.

    Raises:
        ValueError: there is no neutral face.
    """
    calm = neutral(pieces)
    faces, names = middles(calm.faces), calm.identity
    frame = readers.read(faces, landmarker).frame
    shown, source = classifier(readers.framed(faces, frame))
    recalls = _recalls(pieces, landmarker, classifier)
    expressions, masks, features = {}, [], []
    for label, name in enumerate(EXPRESSIONS):
        if name not in SHOWN:
            continue
        rendered, mask = render(faces, calm.units, wanted(name, calm.units))
        probabilities, made = classifier(readers.framed(rendered, frame))
        right = (probabilities.argmax(1) == label).astype(float)
        span = interval(names, lambda rows, right=right: float(right[rows].mean()))  # type: ignore[misc]
        already = float((shown.argmax(1) == label).mean())
        expressions[name] = Expression(float(right.mean()), span, already, recalls.get(name))
        masks.append(mask.mean((1, 2)))
        features.append(made)
    unchanged, _ = render(faces, calm.units, calm.units)
    share = np.stack(masks)
    low, high = np.percentile(share, (5, 95))
    return Group(
        faces=len(faces),
        expressions=expressions,
        agreement=float(np.mean([each.agreement for each in expressions.values()])),
        identity=_identity(features, source, calm),
        mask_mean=float(share.mean()),
        mask_spread=(float(low), float(high)),
        zero=int(np.abs(unchanged.astype(int) - faces).max()),
    )


def _recalls(pieces: Pieces, landmarker: Function, classifier: Classifier) -> dict[str, float]:
    """How often the classifier is right about true faces of each expression that is there."""
    found = {}
    for label, name in enumerate(EXPRESSIONS):
        rows = np.flatnonzero((pieces.expression == name) & (pieces.intensity >= CLEAR))[:MOST]
        if len(rows):
            faces = middles(pieces.faces[rows])
            probabilities, _ = classifier(readers.framed(faces, readers.read(faces, landmarker).frame))
            found[name] = float((probabilities.argmax(1) == label).mean())
    return found


def _identity(made: list[Floats], source: Floats, calm: Pieces) -> Identity:
    """Over one face of each identity, all expressions together."""
    _, first = np.unique(calm.identity, return_index=True)
    base = source[first] / np.linalg.norm(source[first], axis=1, keepdims=True)
    own, others, found = [], [], []
    for features in made:
        unit = features[first] / np.linalg.norm(features[first], axis=1, keepdims=True)
        cosine = unit @ base.T
        own.append(cosine.diagonal())
        others.append(cosine[~np.eye(len(first), dtype=bool)])
        found.append(cosine.argmax(1) == np.arange(len(first)))
    each = np.stack(own).mean(0)
    return Identity(
        own=float(each.mean()),
        interval=interval(calm.identity[first], lambda rows: float(each[rows].mean())),
        others=mean_known(np.concatenate(others)),
        found=float(np.mean(found)),
        identities=len(first),
    )

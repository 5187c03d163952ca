"""Action units: how the head model's shapes make them, and which combinations show which expression.

Seventeen units in [0, 1], `training.clay.corpus.ACTION_UNITS`. The head model's shapes are ARKit's; most units are one
pair of them. Three have no shape of their own and are composed: AU23 (lips pressed and a little rolled in), AU25 (lips
apart without the jaw) and AU26 (the jaw dropped to .6 of its shape, which parts the lips: AU25 is then at least .7 of
it). The shapes know no AU16, 22, 24 or 28; pucker, funnel, puff, gaze and a shifted jaw vary as nuisances.

Prototypes: EMFACS (Friesen & Ekman 1983), FACS investigator's guide table 11-1, and the units that Du, Tao & Martinez
(PNAS 2014) found in over 70 % of posed faces; where the sources disagree, each is a variant.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from training.clay.corpus import ACTION_UNITS
from training.data.faces import EXPRESSIONS

F32 = NDArray[np.float32]
# unit → (shape without its side, weight at intensity 1)
SHAPES: dict[str, tuple[tuple[str, float], ...]] = {
    "AU01": (("browInnerUp", 1.0),),
    "AU02": (("browOuterUp", 1.0),),
    "AU04": (("browDown", 1.0),),
    "AU05": (("eyeWide", 1.0),),
    "AU06": (("cheekSquint", 0.8), ("cheekRaiser", 0.8)),
    "AU07": (("eyeSquint", 1.0),),
    "AU09": (("noseSneer", 1.0),),
    "AU10": (("mouthUpperUp", 1.0),),
    "AU12": (("mouthSmile", 1.0),),
    "AU14": (("mouthDimple", 1.0),),
    "AU15": (("mouthFrown", 1.0),),
    "AU17": (("mouthShrugLower", 1.0),),
    "AU20": (("mouthStretch", 1.0),),
    "AU23": (("mouthPress", 1.0), ("mouthRollLower", 0.35), ("mouthRollUpper", 0.35)),
    "AU25": (("mouthLowerDown", 0.8), ("mouthUpperUp", 0.3)),
    "AU26": (("jawOpen", 0.6),),
    "AU45": (("eyeBlink", 1.0),),
}
NUISANCES = ("cheekPuff", "jawLeft", "jawRight", "jawForward", "mouthLeft", "mouthRight", "mouthPucker", "mouthFunnel")
GAZES = ("eyeLookDown", "eyeLookUp", "eyeLookIn", "eyeLookOut")
JAW_PARTS_LIPS = 0.7

# Relative strengths at intensity 1. A unit in brackets of the sources is left out half of the time, see `VARIABLE`.
PROTOTYPES: dict[str, tuple[dict[str, float], ...]] = {
    "happiness": (
        {"AU06": 0.75, "AU12": 1.0, "AU25": 0.6},
        {"AU06": 0.75, "AU12": 1.0},
        {"AU12": 1.0, "AU25": 0.7, "AU26": 0.3},
    ),
    "surprise": (
        {"AU01": 0.9, "AU02": 0.9, "AU05": 0.7, "AU25": 0.75, "AU26": 0.9},
        {"AU01": 0.9, "AU02": 0.9, "AU25": 0.6, "AU26": 0.7},
    ),
    "sadness": (
        {"AU01": 0.8, "AU04": 0.6, "AU15": 0.85},
        {"AU01": 0.8, "AU04": 0.65, "AU15": 0.8, "AU17": 0.5},
        {"AU01": 0.7, "AU04": 0.6, "AU06": 0.3, "AU15": 0.85, "AU17": 0.55},
    ),
    "anger": (
        {"AU04": 1.0, "AU05": 0.5, "AU07": 0.75, "AU23": 0.8},
        {"AU04": 1.0, "AU07": 0.75, "AU17": 0.5, "AU23": 0.7},
        {"AU04": 1.0, "AU07": 0.7, "AU10": 0.45, "AU25": 0.6},
        {"AU04": 1.0, "AU05": 0.45, "AU07": 0.7, "AU23": 0.4, "AU25": 0.45, "AU26": 0.3},
    ),
    "disgust": (
        {"AU09": 1.0, "AU15": 0.45, "AU17": 0.5},
        {"AU04": 0.5, "AU07": 0.4, "AU09": 0.95, "AU10": 0.75, "AU17": 0.5},
        {"AU09": 0.8, "AU10": 0.9, "AU25": 0.5},
        {"AU04": 0.45, "AU10": 0.95, "AU17": 0.6, "AU09": 0.4},
    ),
    "fear": (
        {"AU01": 0.8, "AU02": 0.5, "AU04": 0.65, "AU05": 0.9, "AU20": 0.8, "AU26": 0.4},
        {"AU01": 0.8, "AU02": 0.45, "AU04": 0.65, "AU05": 0.85, "AU07": 0.4, "AU20": 0.75, "AU25": 0.65},
        {"AU01": 0.8, "AU04": 0.7, "AU05": 0.7, "AU20": 0.85, "AU25": 0.7, "AU26": 0.4},
    ),
}
VARIABLE = {"AU02", "AU05", "AU06", "AU07", "AU17", "AU25", "AU26"}
ALIKE = 0.85  # cosine to a prototype from which a free combination is called by its name
APART = 0.12  # and how much nearer it must be than the next
_OPPOSED = (("AU12", "AU15"), ("AU05", "AU45"), ("AU05", "AU07"), ("AU20", "AU23"), ("AU23", "AU26"))


@dataclass(frozen=True, slots=True)
class Pose:
    """What a face does. `units`: `[17]` in [0, 1]; `expression`: one of the seven or ""; `intensity`: of it, 0–1."""

    units: F32
    expression: str
    intensity: float


def draw(expression: str, random: Generator) -> Pose:
    """A face that shows an expression ("" = a free combination, called by what its units then show)."""
    if expression == "neutral":
        return _settled(_resting(random), "neutral", 0.0)
    if expression == "":
        return _free(random)
    intensity = float(random.uniform(0.25, 1.0) if random.random() < 0.4 else random.uniform(0.5, 1.0))
    base = PROTOTYPES[expression][random.integers(len(PROTOTYPES[expression]))]
    units = _resting(random) * 0.5
    for name, strength in base.items():
        if name in VARIABLE and random.random() < 0.12:
            continue
        units[ACTION_UNITS.index(name)] = strength * intensity * random.uniform(0.75, 1.2)
    if random.random() < 0.25:  # something that does not belong to it
        stray = random.integers(len(ACTION_UNITS))
        units[stray] = max(units[stray], random.uniform(0, 0.2) * intensity)
    return _settled(units, expression, intensity)


def name_of(units: F32) -> tuple[str, float]:
    """The expression that a combination shows and its intensity; ("", 0) where the units fit none, or two."""
    if units.max() < 0.15:
        return "neutral", 0.0
    scores: dict[str, tuple[float, float]] = {}
    for expression, variants in PROTOTYPES.items():
        for variant in variants:
            wanted = np.array([variant.get(name, 0.0) for name in ACTION_UNITS], np.float32)
            alike = float(units @ wanted / (np.linalg.norm(units) * np.linalg.norm(wanted)))
            best = scores.get(expression, (-1.0, 0.0))
            scores[expression] = max(best, (alike, float(units @ wanted / (wanted @ wanted))))
    ranked = sorted(scores, key=lambda name: -scores[name][0])
    first, second = scores[ranked[0]][0], scores[ranked[1]][0]
    if first < ALIKE or first - second < APART or scores[ranked[0]][1] < 0.25:
        return "", 0.0
    return ranked[0], min(1.0, scores[ranked[0]][1])


def weights(units: F32, random: Generator, asymmetry: float, nuisance: float) -> dict[str, float]:
    """Shape weights of a combination of units.

    Args:
        asymmetry: standard deviation of the difference between left and right, as a share.
        nuisance: how strongly the shapes without a unit may join in, 0 to 1.
    """
    found: dict[str, float] = {}
    jaw = float(units[ACTION_UNITS.index("AU26")])
    for name, value in zip(ACTION_UNITS, units, strict=True):
        if name == "AU25":  # the dropped jaw has parted the lips so far
            value = max(0.0, value - JAW_PARTS_LIPS * jaw)
        lean = float(np.clip(random.normal(0, asymmetry), -0.5, 0.5))
        for shape, weight in SHAPES[name]:
            for suffix, factor in (("_L", 1 + lean), ("_R", 1 - lean), ("", 1.0)):
                found[shape + suffix] = found.get(shape + suffix, 0.0) + float(value) * weight * factor
    for shape in NUISANCES:
        if random.random() < 0.1 * nuisance:
            value = float(random.uniform(0, 0.25))
            for suffix in ("_L", "_R", ""):
                found[shape + suffix] = found.get(shape + suffix, 0.0) + value
    gaze, strength = GAZES[random.integers(len(GAZES))], float(random.uniform(0, 0.6) * nuisance)
    found[gaze + "_L"] = found[gaze + "_R"] = strength
    return found


def _resting(random: Generator) -> F32:
    """A face at rest is never quite at zero."""
    return (random.uniform(0, 0.12, len(ACTION_UNITS)) * (random.random(len(ACTION_UNITS)) < 0.25)).astype(np.float32)


def _free(random: Generator) -> Pose:
    active = random.random(len(ACTION_UNITS)) < random.uniform(0.08, 0.35)
    units = (random.uniform(0.1, 1.0, len(ACTION_UNITS)) * active).astype(np.float32)
    for one, other in _OPPOSED:
        a, b = ACTION_UNITS.index(one), ACTION_UNITS.index(other)
        if units[a] > 0 and units[b] > 0:
            units[a if random.random() < 0.5 else b] = 0
    settled = _settled(units, "", 0.0)
    expression, intensity = name_of(settled.units)
    return Pose(settled.units, expression, intensity)


def _settled(units: F32, expression: str, intensity: float) -> Pose:
    """Units within [0, 1], with the lips as far apart as the jaw parts them."""
    jaw, lips = ACTION_UNITS.index("AU26"), ACTION_UNITS.index("AU25")
    units = np.clip(units, 0, 1).astype(np.float32)
    units[lips] = max(units[lips], JAW_PARTS_LIPS * units[jaw])
    return Pose(units, expression, intensity)


assert set(PROTOTYPES) == set(EXPRESSIONS) - {"neutral"}

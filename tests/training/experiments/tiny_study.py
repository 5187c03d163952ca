"""A whole study of drawn heads: two corpora, people, and a GAN18K by a generator that obeys, all made in seconds."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow
import pyarrow.parquet

from tests.training.conftest import ROOT
from tests.training.ganimation import pair_corpus
from training.clay import corpus as clay
from training.data.faces import EXPRESSIONS
from training.experiments import settings
from training.experiments.figures import POSTURES
from training.ganimation import gan18k, sources
from training.shape.align import landmarker

CONFIG = ROOT / "training" / "configs" / "experiments_tiny.toml"
HEADS, TEST_HEADS, PEOPLE = 20, 50, 70
MATERIALS = ("terracotta", "marble", "bronze")


def landmarker_there() -> bool:
    """Whether the models that the study asks are in the repository."""
    roles = ("face_landmarker", "expression_generator")
    return all(list((ROOT / "model_repository" / role).glob("*/model.onnx")) for role in roles)


def write(folder: Path) -> Path:
    """Make everything in a folder, and the tiny configuration with these folders in it; returns its path."""
    corpus(folder / "train", HEADS, "train", scans=2)
    corpus(folder / "test", TEST_HEADS, "test")
    people(folder / "people", folder / "train")
    mine = folder / CONFIG.name
    mine.write_text(CONFIG.read_text().replace('"tiny/', f'"{folder}/'))
    generated(folder / "gan18k", folder / "train", Path(settings.load(mine).statues.landmarker))
    return mine


def corpus(folder: Path, heads: int, name: str, scans: int = 0) -> None:
    """Drawn heads that show something in every second picture or more, of all postures and several materials."""
    pair_corpus.write(folder, heads, scans=scans)
    table = pyarrow.parquet.read_table(folder / "manifest.parquet")
    postures = [*POSTURES, "bust"]
    head = [int(scene) for scene in table["scene"].to_pylist()]
    columns = {
        "identity": [f"{name}_{at}" for at in head],
        "posture": [postures[at % len(postures)] for at in head],
        "material": [MATERIALS[at % len(MATERIALS)] for at in head],
    }
    for column, values in columns.items():
        table = table.set_column(table.column_names.index(column), column, pyarrow.array(values))
    pyarrow.parquet.write_table(table, folder / "manifest.parquet")


def people(folder: Path, corpus_folder: Path) -> None:
    """FER+ in the two files of its origin, of heads of a corpus; every fourth face is for the test."""
    folder.mkdir()
    found = clay.read(corpus_folder)
    pixels, votes = ["emotion,pixels,Usage"], [f"Usage,name,{','.join(f'v{at}' for at in range(10))}"]
    for at in range(PEOPLE):
        row = at % len(found)
        label = EXPRESSIONS.index(str(found.expression[row]))
        noise = np.random.default_rng(at).integers(-9, 9, (48, 48))
        face = (found.image(row)[20:68, 24:72, 0].astype(int) + noise).clip(0, 255)
        usage = "PublicTest" if at % 4 == 0 else "Training"
        pixels.append(f"0,{' '.join(map(str, face.ravel().tolist()))},{usage}")
        votes.append(f"{usage},x,{','.join('9' if column == label else '0' for column in range(10))}")
    (folder / "fer2013.csv").write_text("\n".join(pixels) + "\n")
    (folder / "fer2013new.csv").write_text("\n".join(votes) + "\n")


def generated(folder: Path, corpus_folder: Path, path: Path) -> None:
    """Five heads meet four references; the generator darkens a face's stripe for each unit, and is believed."""
    reads = landmarker(path)
    found = sources.read(corpus_folder, reads, reads, 5)

    def render(faces: np.ndarray, source: np.ndarray, target: np.ndarray) -> tuple[np.ndarray, np.ndarray]:  # type: ignore[type-arg]
        made = faces.copy()
        for row, units in enumerate(target):
            for unit, value in enumerate(units):
                made[row, 40 + 4 * unit : 44 + 4 * unit, 40:88] = round(255 * float(value))
        return made, np.ones(faces.shape[:3], np.float32)

    def believing(crops: np.ndarray) -> dict[str, np.ndarray]:  # type: ignore[type-arg]
        middles = ((42 + 4 * np.arange(17)) * 112 / 128).astype(int)
        count = len(crops)
        return {
            "action_units": crops[:, middles, 56, 0].astype(np.float32) / 255,
            "quality": np.ones((count, 1), np.float32),
            "frame": np.tile(np.float32([0.5, 0.5, 0.7, 0.0]), (count, 1)),
        }

    references = 4
    how = gan18k.recipe(found, (), len(found) * references, (0.6, 0.9), 1, references)
    for _ in gan18k.make(how, found, render, believing, folder):
        pass

"""GAN18K for the experiments: made by `training.ganimation.gan18k`, or a folder that `mien gan18k` has made."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from rich.progress import track

from training import gate
from training.data.faces import EXPRESSIONS, FaceTable, one_hot
from training.experiments.figures import resized
from training.experiments.settings import Gan
from training.export import newest
from training.ganimation import gan18k, sources
from training.ganimation.rendering import of_file


@dataclass(frozen=True, slots=True)
class Generated:
    """n pictures: `source` `[n]`, whose face it was; `reference` `[n]`, the draw of units; `step` `[n]` in (0, 1];
    `missing`: places that stayed empty as the landmarker did not read what was asked."""

    table: FaceTable
    source: NDArray[np.str_]
    reference: NDArray[np.int64]
    step: NDArray[np.float32]
    missing: int


def models(how: Gan) -> tuple[Path, Path, Path]:
    """The newest generator, landmarker and detector of the repository."""
    repository = Path(how.models)
    generator, landmarker, detector = (
        newest(repository / role) for role in ("expression_generator", "face_landmarker", "face_detector")
    )
    return generator, landmarker, detector


def make(how: Gan, faces: str, to: Path, seed: int) -> Path:
    """The folder of the pictures, made in `to` where the configuration names none; an ended run goes on."""
    if how.folder:
        return Path(how.folder).expanduser()
    generator, landmarker, detector = files = models(how)
    reads = gate.of_file(landmarker)
    found = sources.read(Path(how.faces or faces), gate.of_file(detector), reads, how.sources)
    sets = len(found) * how.references
    recipe = gan18k.recipe(found, files, sets, how.steps, seed, how.references)
    steps = gan18k.make(recipe, found, of_file(generator), reads, to, os.cpu_count() or 1)
    for _ in track(steps, f"GAN18K: {sets} sets", total=sets + 1):
        pass
    return to


def read(folder: Path, side_px: int) -> Generated:
    """The pictures of a manifest.

    Raises:
        FileNotFoundError: no manifest there. ValueError: no picture in it, or an expression without any.
    """
    import pyarrow.parquet

    manifest = folder / "manifest.parquet"
    if not manifest.exists():
        raise FileNotFoundError(f"no GAN18K in {folder}: make it with mien gan18k FACES --to {folder}")
    rows = pyarrow.parquet.read_table(manifest).to_pylist()
    kept = [row for row in rows if row["file"]]
    labels = np.array([EXPRESSIONS.index(row["expression"]) for row in kept], np.int64)
    absent = [name for label, name in enumerate(EXPRESSIONS) if not (labels == label).any()]
    if absent:
        raise ValueError(f"{folder} has no picture of {', '.join(absent)}: make more sets (sources, references)")
    faces = [_luma(folder / row["file"]) for row in track(kept, "reading GAN18K")]
    # A set without a shared reference has draws of its own.
    reference = [row["set"] if row.get("reference") is None else row["reference"] for row in kept]
    return Generated(
        FaceTable(resized(np.stack(faces), side_px), one_hot(labels), labels),
        np.array([row["identity"] for row in kept], np.str_),
        np.array(reference, np.int64),
        np.array([row["step"] for row in kept], np.float32),
        len(rows) - len(kept),
    )


def _luma(path: Path) -> NDArray[np.uint8]:
    face = cv2.imread(str(path), cv2.IMREAD_GRAYSCALE)
    if face is None:
        raise FileNotFoundError(f"the manifest names a picture that is missing: {path}")
    return face.astype(np.uint8, copy=False)

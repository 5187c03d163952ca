"""Rendering a corpus: parallel, resumable, the same bytes for the same recipe.

Picture i shows variant i % variants of scene i // variants; the head is that of scene // scenes. Work is cut into parts
of a few heads; a part's rows are written when all of its pictures are, so that a run that was ended goes on with the
next part.
The layout on disk is described in `corpus.py`.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import multiprocessing
import os
import threading
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from training.clay import backdrop, head, head_model, scans, scene, units
from training.clay.corpus import mask_path, picture_path
from training.clay.settings import Clay
from training.data.faces import EXPRESSIONS

HEADS_IN_A_PART = 6
SALT = 20260  # changes with the renderer's meaning of a seed
COLUMNS = (
    "index", "image", "identity", "scene", "expression", "intensity", "action_units", "landmarks", "visible", "box",
    "pose", "kind", "material", "light", "posture", "size",
)  # fmt: skip


def render(clay: Clay, count: int, folder: Path, processes: int = 0) -> Iterator[tuple[int, int]]:
    """Render pictures 0 to `count` - 1 into `folder`; yields (done, all) as parts finish, and ends with the manifest.

    Raises:
        FileNotFoundError: no head model; says where to get it.
        ValueError: the folder holds a corpus of another recipe or of more pictures, or of a version that knew less.
    """
    folder = folder.expanduser()
    _claim(clay, folder, head_model.read(Path(clay.head_model)))
    _refuse_fewer(count, folder)
    size = HEADS_IN_A_PART * clay.scenes * clay.variants
    parts = [(start, min(start + size, count)) for start in range(0, count, size)]
    todo = [part for part in parts if not _part_path(folder, *part).exists()]
    _check_columns(folder, [part for part in parts if part not in set(todo)])
    done = count - sum(end - start for start, end in todo)
    yield done, count
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(processes or multiprocessing.cpu_count(), context, _worker) as pool:
        futures = {pool.submit(render_part, clay, folder, *part): part for part in todo}
        try:
            for future in as_completed(futures):
                future.result()
                start, end = futures[future]
                done += end - start
                yield done, count
        finally:
            pool.shutdown(wait=True, cancel_futures=True)
    _write_manifest(folder, parts)


def render_part(clay: Clay, folder: Path, start: int, end: int) -> None:
    """Render pictures `start` to `end` - 1 and write their rows."""
    import pyarrow
    import pyarrow.parquet

    model = head_model.read(Path(clay.head_model))
    photos = backdrop.photos(clay.backgrounds)
    rows: list[dict[str, Any]] = []
    carved: tuple[int, head.Head] | None = None
    for index in range(start, end):
        number, variant = divmod(index, clay.variants)
        person = number // clay.scenes
        if carved is None or carved[0] != person:
            scanned = scans.there(clay.scans) and person % clay.scan_every == clay.scan_every - 1
            random = _random(clay, 0, person)
            carved = person, scans.carve(clay.scans, random) if scanned else head.carve(model, random)
        rows.append(_picture(clay, carved[1], person, number, variant, index, photos, folder))
    target = _part_path(folder, start, end)
    target.parent.mkdir(parents=True, exist_ok=True)
    aside = target.with_suffix(".writing")
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows), aside)
    aside.replace(target)


def _picture(
    clay: Clay, carved: head.Head, person: int, number: int, variant: int, index: int, photos: list[Path], folder: Path
) -> dict[str, Any]:
    """Render one picture, write it, and return its row."""
    drawn = scene.draw(clay, photos, _random(clay, 1, number))
    random = _random(clay, 2, index)
    free = random.random() < clay.free
    shown = EXPRESSIONS[(number + variant * 3) % len(EXPRESSIONS)] if carved.measured else "neutral"
    pose = units.draw("" if free and carved.measured else shown, random)
    # How a head moves its two sides belongs to the head; gaze and a shifted jaw to the moment.
    asymmetry = float(_random(clay, 3, person).uniform(0, 0.15))
    face = carved.making(units.weights(pose.units, random, asymmetry, nuisance=0.6))
    taken = scene.photograph(carved, face, drawn, clay)
    picture, mask = picture_path(folder, index), mask_path(folder, index)
    for path in (picture, mask):
        path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(picture), taken.image[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, drawn.quality])
    cv2.imwrite(str(mask), taken.mask, [cv2.IMWRITE_PNG_COMPRESSION, 4])
    unknown = np.nan if not carved.measured else 0.0
    return {
        "index": index,
        "image": picture.relative_to(folder).as_posix(),
        "identity": f"{clay.name}-{clay.seed}-{person:06d}",
        "scene": number,
        "expression": pose.expression,
        "intensity": float(pose.intensity),
        "action_units": [float(value + unknown) for value in pose.units],
        "landmarks": [float(value + unknown) for value in taken.landmarks.ravel()],
        "visible": [bool(value) and carved.measured for value in taken.visible],
        "box": [float(value) for value in taken.box],
        "pose": list(drawn.pose),
        "kind": carved.kind,
        "material": drawn.material,
        "light": drawn.light,
        "posture": carved.posture,
        "size": [drawn.side_px, drawn.side_px],
    }


def _random(clay: Clay, what: int, number: int) -> np.random.Generator:
    return np.random.default_rng((SALT, clay.seed, *clay.name.encode(), what, number))


def _claim(clay: Clay, folder: Path, model: head_model.HeadModel) -> None:
    """Write the recipe, or check that the folder was begun with the same one and the same head model."""
    folder.mkdir(parents=True, exist_ok=True)
    recipe = folder / "recipe.json"
    # Where the inputs lie may change between two calls; what is drawn from them may not.
    wanted = dataclasses.asdict(clay) | {"salt": SALT, "heads": _print(model)}
    if recipe.exists():
        found = json.loads(recipe.read_text())
        elsewhere = ("head_model", "backgrounds", "scans")
        changed = [key for key in wanted if key not in elsewhere and wanted[key] != found.get(key)]
        if changed:
            raise ValueError(f"{folder} holds a corpus of another recipe ({', '.join(changed)} differ): choose another")
    recipe.write_text(json.dumps(wanted, indent=2) + "\n")


def _print(model: head_model.HeadModel) -> str:
    """Of the head that all are drawn from: its mesh, its shapes' names, and which vertices are the landmarks that
    frame it; no coordinates, whose last bits are each processor's own."""
    named = (model.kind, model.identity.shape, sorted(model.expressions))
    numbers = np.concatenate([model.triangles.ravel(), model.landmarks]).astype("<i8")
    return hashlib.sha256(repr(named).encode() + numbers.tobytes()).hexdigest()[:12]


def _refuse_fewer(count: int, folder: Path) -> None:
    """A manifest of fewer pictures than there are would take the others from every training."""
    import pyarrow.parquet

    manifest = folder / "manifest.parquet"
    there = pyarrow.parquet.read_metadata(manifest).num_rows if manifest.exists() else 0
    if count < there:
        raise ValueError(
            f"{folder} holds {there:,} pictures already: ask for as many or more, or choose another folder"
        )


def _check_columns(folder: Path, done: list[tuple[int, int]]) -> None:
    """Parts of an older version lack columns, and cannot be in one manifest with new ones: say so before any work."""
    import pyarrow.parquet

    for part in done:
        names = pyarrow.parquet.read_schema(_part_path(folder, *part)).names
        lacks = [name for name in COLUMNS if name not in names]
        if lacks:
            raise ValueError(f"{folder} was begun by an older version (no {', '.join(lacks)}): choose another folder")


def _part_path(folder: Path, start: int, end: int) -> Path:
    return folder / "parts" / f"{start:06d}-{end:06d}.parquet"


def _write_manifest(folder: Path, parts: list[tuple[int, int]]) -> None:
    import pyarrow
    import pyarrow.parquet

    table = pyarrow.concat_tables([pyarrow.parquet.read_table(_part_path(folder, *part)) for part in parts])
    aside = folder / "manifest.writing"
    pyarrow.parquet.write_table(table, aside)
    aside.replace(folder / "manifest.parquet")


def _worker() -> None:
    cv2.setNumThreads(1)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    """A worker whose parent was killed would wait for work for ever."""
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)

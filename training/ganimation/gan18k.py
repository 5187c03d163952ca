"""GAN18K: seven expressions put on each of many neutral faces, a labelled set to train classifiers on.

The paper's set has 2,670 pictures of each expression, 18,690 in all, and takes the generator's intermediate steps, not
the last. Here a set number stands for one draw of each expression's units (`clay.units.draw`), put on one face at each
of three steps: 890 sets x 7 expressions x 3 steps. What the landmarker reads must follow what was asked, else the
picture is dropped and its place is drawn again, with other units on the next face.

Each set has draws of its own, or `references` of them are shared: then every face meets every one of them, as where
the expressions of a few people are put on many statues. The manifest names the reference of each picture.

    <to>/<expression>/<identity>/<set>_<step in per cent>.png    tight faces of 112 px, as `training.data.folder` reads
    <to>/manifest.parquet   a row for each place: picture, source, step, what was asked, what was read
    <to>/statistics.md, sheet.png

Work is cut into sets; a set's rows are written when its pictures are, so that a run that was ended goes on.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from training.clay import units as poses
from training.clay.corpus import ACTION_UNITS
from training.data.faces import EXPRESSIONS
from training.ganimation import readers
from training.ganimation.rendering import Render
from training.ganimation.sources import Sources
from training.shape.frame import Function

SETS, STEPS = 890, (0.4, 0.6, 0.8)  # x 7 expressions: 18,690 pictures
ATTEMPTS = 32  # with 8, 106 of 18,690 places stayed empty, 75 of them anger at step .4
LEAST_COSINE, LEAST_GAIN = 0.5, 0.3  # of the read change on the asked one
MOST_STRAY = 0.25  # of any unit, where nothing was asked for
SALT = 18690
# IPTC's word for a photo of which a trained model repainted a part; the services write it into their pictures too.
DIGITAL_SOURCE_TYPE = "http://cv.iptc.org/newscodes/digitalsourcetype/compositeWithTrainedAlgorithmicMedia"
SHEET_ROWS = 10


@dataclass(frozen=True, slots=True)
class Recipe:
    """What makes a set of pictures. `made_of`: a hash of the sources and the models; `seed`: of the draws;
    `references`: how many draws of each expression all faces share (0 = each set has its own)."""

    sets: int
    steps: tuple[float, ...]
    attempts: int
    seed: int
    made_of: str
    references: int = 0


def recipe(
    sources: Sources, models: tuple[Path, ...], sets: int, steps: tuple[float, ...], seed: int, references: int = 0
) -> Recipe:
    """The recipe of these sources and model files.

    Raises:
        ValueError: no set, or a step that is not in (0, 1].
    """
    if references < 0:
        raise ValueError(f"references must be 0 (each set has its own draws) or more, not {references}")
    if sets < 1 or not steps or not all(0 < step <= 1 for step in steps):
        raise ValueError("choose one set or more, and steps above 0 and up to 1, such as 0.4 0.6 0.8")
    digest = hashlib.sha256(sources.faces.tobytes())
    for model in models:
        digest.update(model.read_bytes())
    return Recipe(sets, tuple(steps), ATTEMPTS, seed, digest.hexdigest()[:16], references)


def make(
    how: Recipe, sources: Sources, render: Render, landmarker: Function, folder: Path, threads: int = 2
) -> Iterator[tuple[int, int]]:
    """Make the pictures; yields (sets done, all sets) as they are finished, and ends with manifest and statistics.

    Args:
        threads: sets at the same time; `render` and `landmarker` are called from all of them.

    Raises:
        ValueError: the folder holds a set of another recipe.
    """
    folder = folder.expanduser()
    _claim(how, folder)
    todo = [number for number in range(how.sets) if not _part(folder, number).exists()]
    done = how.sets - len(todo)
    yield done, how.sets
    with ThreadPoolExecutor(threads) as pool:
        futures = [pool.submit(_make_set, how, sources, render, landmarker, folder, number) for number in todo]
        try:
            for future in as_completed(futures):
                future.result()
                done += 1
                yield done, how.sets
        finally:
            pool.shutdown(wait=True, cancel_futures=True)
    _finish(how, folder)


def follows(asked: NDArray[np.float32], read: NDArray[np.float32], neutral: bool) -> tuple[bool, float, float]:
    """Whether a read change `[17]` is the one asked for, with its cosine to it and its gain.

    The gain is how much of what was asked is read along its direction. A neutral face is asked for next to nothing: no
    unit may stray.
    """
    size = float(np.linalg.norm(asked))
    along = float(asked @ read) / max(size, 1e-6)
    cosine, gain = along / max(float(np.linalg.norm(read)), 1e-6), along / max(size, 1e-6)
    if neutral:
        return bool(np.abs(read).max() <= MOST_STRAY), cosine, gain
    return cosine >= LEAST_COSINE and gain >= LEAST_GAIN, cosine, gain


def _make_set(how: Recipe, sources: Sources, render: Render, landmarker: Function, folder: Path, number: int) -> None:
    """One set: a place for each expression and step, drawn again until it is filled or `attempts` are spent."""
    places = [(expression, step) for expression in range(len(EXPRESSIONS)) for step in how.steps]
    rows: dict[tuple[int, float], dict[str, Any]] = {}
    reference = number // len(sources) % how.references if how.references else number
    for attempt in range(how.attempts):
        left = [place for place in places if place not in rows]
        if not left:
            break
        # All of a set starts with one face; places that are drawn again go to the next ones.
        source = (number + attempt * (1 + len(sources) // 3)) % len(sources)
        asked = np.stack([step * _pose(how, reference, expression, attempt) for expression, step in left])
        before = np.repeat(sources.units[source][None], len(left), 0)
        target = np.clip(before + asked, 0, 1).astype(np.float32)
        rendered, _ = render(np.repeat(sources.faces[source][None], len(left), 0), before, target)
        after = readers.read(rendered, landmarker).units
        tight = readers.framed(rendered, np.repeat(sources.frame[source][None], len(left), 0))
        for at, (expression, step) in enumerate(left):
            fits, cosine, gain = follows(target[at] - before[at], after[at] - before[at], expression == 0)
            if not fits:
                continue
            name = Path(EXPRESSIONS[expression], _safe(sources.identity[source]), f"{number:05d}_{100 * step:.0f}.png")
            _save(folder / name, tight[at])
            rows[expression, step] = {
                "file": name.as_posix(),
                "expression": EXPRESSIONS[expression],
                "step": step,
                "set": number,
                "reference": reference,
                "dropped": attempt,
                "identity": str(sources.identity[source]),
                "source": str(sources.name[source]),
                "source_units": before[at].tolist(),
                "target_units": target[at].tolist(),
                "measured_units": after[at].tolist(),
                "cosine": cosine,
                "gain": gain,
            }
    empty = {"file": "", "dropped": how.attempts, "set": number, "reference": reference}
    _write([rows.get(place, empty | _named(*place)) for place in places], _part(folder, number))


def _named(expression: int, step: float) -> dict[str, Any]:
    return {"expression": EXPRESSIONS[expression], "step": step}


def _pose(how: Recipe, reference: int, expression: int, attempt: int) -> NDArray[np.float32]:
    """The units of one draw of an expression, `[17]` in [0, 1]; all steps of a set share it."""
    random = np.random.default_rng((SALT, how.seed, reference, expression, attempt))
    return poses.draw(EXPRESSIONS[expression], random).units


def _safe(identity: str) -> str:
    return "".join(letter if letter.isalnum() or letter in "-." else "-" for letter in identity)


def _save(path: Path, face: NDArray[np.uint8]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    says = PngInfo()
    says.add_text("DigitalSourceType", DIGITAL_SOURCE_TYPE)
    says.add_text("Software", "Mien")
    aside = path.with_suffix(".writing")
    Image.fromarray(face).save(aside, "PNG", pnginfo=says)
    aside.replace(path)


def _claim(how: Recipe, folder: Path) -> None:
    """Write the recipe, or check that the folder was begun with the same one."""
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "recipe.json"
    wanted = json.loads(json.dumps({name: getattr(how, name) for name in Recipe.__slots__}))
    if file.exists():
        found = {"references": 0} | json.loads(file.read_text())  # a folder begun before there were any
        changed = [name for name in wanted if name != "sets" and found.get(name) != wanted[name]]
        if changed:
            raise ValueError(f"{folder} holds pictures of another recipe ({', '.join(changed)} differ): choose another")
    file.write_text(json.dumps(wanted, indent=2) + "\n")


def _part(folder: Path, number: int) -> Path:
    return folder / "parts" / f"{number:05d}.parquet"


SCHEMA = {
    "file": "string", "expression": "string", "step": "float", "set": "int32", "reference": "int32",
    "dropped": "int32",
    "identity": "string", "source": "string", "source_units": "units", "target_units": "units",
    "measured_units": "units", "cosine": "float", "gain": "float",
}  # fmt: skip


def _write(rows: list[dict[str, Any]], path: Path) -> None:
    import pyarrow
    import pyarrow.parquet

    kinds = {
        "string": pyarrow.string(),
        "float": pyarrow.float32(),
        "int32": pyarrow.int32(),
        "units": pyarrow.list_(pyarrow.float32(), len(ACTION_UNITS)),
    }
    schema = pyarrow.schema([(name, kinds[kind]) for name, kind in SCHEMA.items()])
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_suffix(".writing")
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows, schema), aside)
    aside.replace(path)


def _finish(how: Recipe, folder: Path) -> None:
    import pyarrow
    import pyarrow.parquet

    parts = [pyarrow.parquet.read_table(_part(folder, number)) for number in range(how.sets)]
    table = pyarrow.concat_tables(parts, promote_options="default")  # an old part names no reference
    aside = folder / "manifest.writing"
    pyarrow.parquet.write_table(table, aside)
    aside.replace(folder / "manifest.parquet")
    rows = table.to_pylist()
    (folder / "statistics.md").write_text(statistics(rows, how))
    Image.fromarray(_sheet(rows, folder)).save(folder / "sheet.png")


def statistics(rows: list[dict[str, Any]], how: Recipe) -> str:
    """A Markdown table: pictures of each expression and step, and how many draws missed what was asked."""
    steps = [f"step {step:g}" for step in how.steps]
    lines = ["| expression | pictures | " + " | ".join(steps) + " | empty | draws dropped | mean gain |"]
    lines.append("|" + "---|" * (len(steps) + 5))
    for name in (*EXPRESSIONS, "all"):
        own = [row for row in rows if name in (row["expression"], "all")]
        kept = [row for row in own if row["file"]]
        each = [sum(abs(row["step"] - step) < 1e-6 for row in kept) for step in how.steps]
        dropped = sum(row["dropped"] for row in own)
        share = dropped / max(1, dropped + len(kept))
        gain = f"{np.mean([row['gain'] for row in kept]):.2f}" if kept and name not in ("neutral", "all") else "–"
        counts = " | ".join(f"{count:,}" for count in each)
        lines.append(
            f"| {name} | {len(kept):,} | {counts} | {len(own) - len(kept):,} | {dropped:,} ({share:.0%}) | {gain} |"
        )
    people = len({row["identity"] for row in rows if row["file"]})
    lines.append(f"\n{people:,} identities. A label is the expression that was asked for; nobody felt anything.")
    return "\n".join(lines) + "\n"


def _sheet(rows: list[dict[str, Any]], folder: Path) -> NDArray[np.uint8]:
    """Sets spread over all, a row each: the seven expressions at the last step; grey where a place is empty."""
    last = max(row["step"] for row in rows)
    sets = sorted({row["set"] for row in rows})
    chosen = [sets[at] for at in np.unique(np.linspace(0, len(sets) - 1, SHEET_ROWS).astype(int))]
    by_place = {(row["set"], row["expression"]): row["file"] for row in rows if row["step"] == last}
    grey = np.full((112, 112, 3), 128, np.uint8)
    lines = []
    for number in chosen:
        files = [by_place.get((number, name), "") for name in EXPRESSIONS]
        tiles = [np.asarray(Image.open(folder / file).convert("RGB")) if file else grey for file in files]
        lines.append(np.concatenate(tiles, 1))
    return np.concatenate(lines)

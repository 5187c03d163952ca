"""Tables of results whose truth is known."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from mien import results
from mien.tables import EXPRESSIONS
from mien.v1 import mien_pb2 as pb


def reply(*shown: str, confidence: float = 0.7, units: Mapping[str, float] | None = None) -> pb.GatewayClassifyResponse:
    """An answer with a face for each expression named; the other six share what is left."""
    answer = pb.GatewayClassifyResponse(
        image=pb.ImageSize(width=640, height=480), model=pb.ModelVersion(name="toy", version=1)
    )
    for place, expression in enumerate(shown):
        face = answer.faces.add()
        face.face.box.CopyFrom(pb.Box(x=10.1 + 200 * place, y=20.2, width=150.3, height=160.4))
        face.face.score = 0.9
        for name in EXPRESSIONS:
            setattr(face.probabilities, name, confidence if name == expression else (1 - confidence) / 6)
        if units is not None:
            face.face.landmarks.extend(pb.Point(x=place + 0.1 * i, y=i / 3) for i in range(68))
            face.face.action_units.intensities.extend(units.get(name, 0.1) for name in results.ACTION_UNITS)
    return answer


def table(groups: Mapping[str, Mapping[str, int]]) -> pa.Table:
    """So many one-face images of each expression in each group; ids are `<group>/<number>.jpg`."""
    rows: list[dict[str, Any]] = []
    for group, counts in groups.items():
        shown = [name for name, times in counts.items() for _ in range(times)]
        for number, expression in enumerate(shown):
            rows += results.rows_of(f"{group}/{group}_{number}.jpg", reply(expression))
    return results.table_of(rows)


def mixed() -> pa.Table:
    """A little of everything: faces with and without units, no face, an error, names that are hard to write."""
    return results.table_of(
        [
            *results.rows_of('a/ñ, "quoted"\nline.jpg', reply("happiness", "fear", units={"AU12": 0.87})),
            *results.rows_of("NA", reply("neutral", confidence=1 / 3)),
            *results.rows_of("empty.jpg", reply()),
            results.row_of_error("broken.jpg", "not_an_image", ""),
        ]
    )


def crowd(seed: int = 7, images: int = 400) -> tuple[pa.Table, str]:
    """A table that looks like a real one, and a groups file for it: three postures, of which one is more surprised."""
    chance = random.Random(seed)
    weights = {
        "sitting": (40, 25, 8, 10, 8, 4, 5),
        "standing": (38, 24, 9, 11, 9, 4, 5),
        "reclining": (25, 15, 30, 14, 4, 4, 8),
    }
    rows: list[dict[str, Any]] = []
    lines = ["image,posture,label"]
    for number in range(images):
        posture = chance.choice(list(weights))
        image = f"museum/{number:04}.jpg"
        if number % 40 == 0:
            rows.append(results.row_of_error(image, "not_an_image", "Send a JPEG, PNG or WebP picture."))
            continue
        shown = chance.choices(EXPRESSIONS, weights[posture], k=chance.choice((0, 1, 1, 1, 2)))
        smiling = (
            {"AU12": chance.uniform(0.4, 0.9), "AU06": chance.uniform(0.4, 0.9)} if shown[:1] == ["happiness"] else {}
        )
        units = {name: chance.betavariate(1.2, 6) for name in results.ACTION_UNITS} | smiling
        rows += results.rows_of(image, reply(*shown, confidence=chance.uniform(0.35, 0.98), units=units))
        lines.append(f"{number:04}.jpg,{posture},{_label(chance, shown)}")
    return results.table_of(rows), "\n".join(lines) + "\n"


def _label(chance: random.Random, shown: Sequence[str]) -> str:
    """What a person said of an image with one face: mostly what is shown."""
    if len(shown) != 1:
        return ""
    return shown[0] if chance.random() < 0.8 else chance.choice(EXPRESSIONS)


def save(content: pa.Table, folder: Path, name: str = "results.parquet") -> Path:
    results.write(content, folder / name)
    return folder / name


def groups_file(folder: Path, lines: Sequence[str]) -> Path:
    path = folder / "groups.csv"
    path.write_text("\n".join(lines) + "\n")
    return path

"""The table of results that a batch client writes and `mien report` reads: a row for each face, and one row for each
image in which none was found or that failed.

Pixels are those of the upright image (EXIF orientation applied), origin top left. Null means: there is none.

    image                     string    the image's path below the folder that was read: its id
    status                    string    "ok" (this row is a face), "no_face" or "error"
    error_code                string    the stable reason, such as "not_an_image"; null unless status is "error"
    error_detail              string    one sentence on what to do; null unless status is "error"
    image_width, image_height int32     pixels, from 1; null where the image failed
    face                      int32     the face's place from left to right, from 0; null where the row is no face
    faces                     int32     how many faces the image has, from 0; null where the image failed
    box_x, box_y              float32   pixels, the box's upper left corner; may be negative: a box may leave the image
    box_width, box_height     float32   pixels, above 0
    score                     float32   in [0, 1], how sure the detector is that this is a face
    expression                string    the most probable of the seven
    neutral … fear            float32   in [0, 1], the seven probabilities in Mien's order; they sum to 1
    landmarks                 list<float32>  pixels, 136 numbers x0, y0, x1, … of iBUG's 68 points; null where not read
    AU01 … AU45               float32   in [0, 1], the intensity of each of 17 action units; null where not read
    model                     string    the classifier's name; null where the image failed
    model_version             int32     its version, from 1; null where the image failed

As text (.csv) the landmarks are numbers with a space between; in .jsonl they are a list. All three kinds of file hold
the same values: what is written is read back equal.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from mien import results_files
from mien.tables import EXPRESSIONS
from mien.v1 import mien_pb2 as pb

ACTION_UNITS = (
    "AU01", "AU02", "AU04", "AU05", "AU06", "AU07", "AU09", "AU10", "AU12",
    "AU14", "AU15", "AU17", "AU20", "AU23", "AU25", "AU26", "AU45",
)  # fmt: skip
OK, NO_FACE, ERROR = "ok", "no_face", "error"
_POINTS = 68

SCHEMA = pa.schema(
    [
        *((name, pa.string()) for name in ("image", "status", "error_code", "error_detail")),
        *((name, pa.int32()) for name in ("image_width", "image_height", "face", "faces")),
        *((name, pa.float32()) for name in ("box_x", "box_y", "box_width", "box_height", "score")),
        ("expression", pa.string()),
        *((name, pa.float32()) for name in EXPRESSIONS),
        ("landmarks", pa.list_(pa.float32())),
        *((name, pa.float32()) for name in ACTION_UNITS),
        ("model", pa.string()),
        ("model_version", pa.int32()),
    ]
)


def rows_of(image_id: str, reply: pb.GatewayClassifyResponse) -> list[dict[str, Any]]:
    """An answer's rows: one for each face from left to right, or one that says that there is none."""
    common = {
        "image": _text(image_id),
        "image_width": reply.image.width,
        "image_height": reply.image.height,
        "faces": len(reply.faces),
        "model": reply.model.name,
        "model_version": reply.model.version,
    }
    if not reply.faces:
        return [_row(**common, status=NO_FACE)]
    return [_row(**common, status=OK, face=place, **_face(item)) for place, item in enumerate(reply.faces)]


def row_of_error(image_id: str, code: str, detail: str) -> dict[str, Any]:
    """The row of an image that failed: `code` is the stable reason, `detail` one sentence on what to do."""
    return _row(image=_text(image_id), status=ERROR, error_code=code, error_detail=detail)


def table_of(rows: Sequence[dict[str, Any]]) -> pa.Table:
    """Rows of `rows_of` and `row_of_error` as a table of `SCHEMA`."""
    return pa.Table.from_pylist(rows, schema=SCHEMA)


def read(paths: Iterable[Path]) -> pa.Table:
    """All rows of some files (.parquet, .csv, .jsonl) or folders of such part files, in this order, as `SCHEMA`.

    Raises:
        ValueError: a file lacks columns, which are named, or holds what a results table cannot hold.
        FileNotFoundError: there is no such file, or the folder has no part.
    """
    tables = [SCHEMA.empty_table()]
    for path in results_files.parts(paths):
        table = results_files.read(path, SCHEMA)
        _check(path, table)
        tables.append(table)
    return pa.concat_tables(tables).combine_chunks()


def write(table: pa.Table, path: Path) -> None:
    """Write a results table by the file's suffix: .parquet, .csv or .jsonl. A reader sees all of the file or none.

    Raises:
        ValueError: the suffix is another one, or the table lacks columns.
    """
    results_files.write(results_files.fitted(table, SCHEMA, path), path)


def _row(**values: Any) -> dict[str, Any]:
    return {**dict.fromkeys(SCHEMA.names), **values}


def _face(item: pb.ClassifiedFace) -> dict[str, Any]:
    face, shares = item.face, {name: getattr(item.probabilities, name) for name in EXPRESSIONS}
    values: dict[str, Any] = {f"box_{side}": getattr(face.box, side) for side in ("x", "y", "width", "height")}
    values |= {"score": face.score, "expression": max(shares, key=lambda name: shares[name]), **shares}
    if len(face.landmarks) == _POINTS:  # five points, the detector's own, are not what the column promises
        values["landmarks"] = [number for point in face.landmarks for number in (point.x, point.y)]
    if len(face.action_units.intensities) == len(ACTION_UNITS):
        values |= zip(ACTION_UNITS, face.action_units.intensities, strict=True)
    return values


def _text(name: str) -> str:
    """A file's name as text that every format can hold: bytes that are not UTF-8 become U+FFFD."""
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def _check(path: Path, table: pa.Table) -> None:
    if table["image"].null_count:
        raise ValueError(f"{path}: a row names no image")
    for column, known in (("status", (OK, NO_FACE, ERROR)), ("expression", (*EXPRESSIONS, None))):
        strange = sorted(map(str, set(pc.unique(table[column]).to_pylist()) - set(known)))
        if strange:
            raise ValueError(f"{path}: {column} cannot be {strange[0]!r}")
    faces = table.filter(pc.equal(table["status"], OK))
    if lacking := [name for name in ("expression", *EXPRESSIONS) if faces[name].null_count]:
        raise ValueError(f"{path}: a face has no {lacking[0]}")
    lengths = set(pc.unique(pc.list_value_length(table["landmarks"])).to_pylist()) - {2 * _POINTS, None}
    if lengths:
        raise ValueError(f"{path}: landmarks are {2 * _POINTS} numbers, not {min(lengths)}")

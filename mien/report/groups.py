"""Which group each row of the results belongs to: by a column of theirs, or of a file that is joined by image."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from mien.tables import EXPRESSIONS

LABEL = "label"
EVERYTHING = "all"
MOST = 30


@dataclass(frozen=True, slots=True)
class Groups:
    """`names` and `labels` have an entry for each row of the results; None: the row has no group, or no label."""

    names: Sequence[str | None]
    labels: Sequence[str | None]
    unmatched: int = 0  # rows whose image the file does not have


def assign(table: pa.Table, by: str | None, file: Path | None) -> Groups:
    """Group every row by `by`: a column of the file if it has one of this name, else of the results; None: one group.

    Raises:
        ValueError: no such column, no row found a group, a name that could mean two, or more than `MOST` groups.
        FileNotFoundError: there is no such file.
    """
    images = table["image"].to_pylist()
    nothing: list[str | None] = [None] * len(images)
    groups = Groups(_column(table, by, ()), nothing) if file is None else _from_file(table, by, file, images)
    found = {name for name in groups.names if name is not None}
    if len(found) > MOST:
        raise ValueError(f"{by} has {len(found)} different values: more than {MOST} groups cannot be told apart")
    if images and not found:
        raise ValueError(f"no row has a value of {by}: there is nothing to group by")
    return groups


def match(images: Iterable[str], rows: Sequence[tuple[str, tuple[str, ...]]]) -> dict[str, tuple[str, ...]]:
    """Find each image's values among a file's (id, values): by exact id, else by the file name without folders.

    Raises:
        ValueError: an id or a name stands for different values, or one name for several images.
    """
    exact, named = _index((name, values) for name, values in rows), _index((_name(name), v) for name, v in rows)
    found, taken = {}, dict[str, str]()
    for image in dict.fromkeys(images):
        values, key = exact.get(image), image
        if values is None:
            key = _name(image)
            values = named.get(key)
        if values is None:
            continue
        if len(values) > 1:
            raise ValueError(f"{key!r} is in the groups file more than once, with different values")
        if key != image and taken.setdefault(key, image) != image:
            raise ValueError(f"{key!r} could be {taken[key]!r} or {image!r}: give the groups file whole paths")
        found[image] = next(iter(values))
    return found


def _from_file(table: pa.Table, by: str | None, file: Path, images: list[str]) -> Groups:
    columns = _read(file)
    key = "image" if "image" in columns else next(iter(columns))
    if by is None and LABEL not in columns:
        raise ValueError(
            f"name the column of {file} to group by: --by {', '.join(name for name in columns if name != key)}"
        )
    wanted = [name for name in (by, LABEL) if name is not None and name in columns and name != key]
    values = zip(*(columns[name] for name in wanted), strict=True) if wanted else ((),) * len(columns[key])
    found = match(images, list(zip(columns[key], map(tuple, values), strict=True)))
    if images and not found:
        raise ValueError(
            f"no image of the results is in {file}: they are called like {images[0]!r}, "
            f"its column {key!r} has {next(iter(columns[key]), None)!r}"
        )
    joined = {name: [found[image][place] if image in found else "" for image in images]
              for place, name in enumerate(wanted)}  # fmt: skip
    names = [value or None for value in joined[by]] if by is not None and by in joined else _column(table, by, columns)
    labels = [_label(value, file) for value in joined.get(LABEL, [""] * len(images))]
    return Groups(names, labels, sum(image not in found for image in images))


def _column(table: pa.Table, by: str | None, others: Iterable[str]) -> list[str | None]:
    if by is None:
        return [EVERYTHING] * len(table)
    if by == "model":  # two versions of one model are two models
        pairs = zip(table["model"].to_pylist(), table["model_version"].to_pylist(), strict=True)
        return [None if name is None else f"{name} {version}" for name, version in pairs]
    kinds = (pa.types.is_string, pa.types.is_integer)
    able = [field.name for field in table.schema if any(kind(field.type) for kind in kinds)]
    if by not in able:
        raise ValueError(f"cannot group by {by!r}: choose one of {', '.join(dict.fromkeys((*others, *able)))}")
    return [None if value is None else str(value) for value in table[by].to_pylist()]


def _label(value: str, file: Path) -> str | None:
    label = value.strip().lower()
    if label and label not in EXPRESSIONS:
        raise ValueError(f"{file}: the label {value!r} is none of {', '.join(EXPRESSIONS)}")
    return label or None


def _read(file: Path) -> Mapping[str, list[str]]:
    """Every column as text, so that 007.jpg's group 007 stays 007."""
    if not file.is_file():
        raise FileNotFoundError(f"there is no groups file {file}")
    if file.suffix == ".parquet":
        import pyarrow.parquet

        try:
            table = pyarrow.parquet.read_table(file)
        except pa.ArrowException as error:
            raise ValueError(f"{file} cannot be read: {str(error).splitlines()[0]}") from None
        flat = [field.name for field in table.schema if not pa.types.is_nested(field.type)]
        return {name: ["" if v is None else str(v) for v in table[name].to_pylist()] for name in flat}
    try:
        with file.open(encoding="utf-8-sig", newline="") as text:
            reader = csv.DictReader(text, restval="")
            rows, heads = list(reader), list(reader.fieldnames or ())
    except (UnicodeDecodeError, csv.Error) as error:
        raise ValueError(f"{file} cannot be read as CSV: {error}") from None
    if not heads:
        raise ValueError(f"{file} is empty: its first line names the columns")
    return {head: [row[head] for row in rows] for head in heads}


def _index(rows: Iterable[tuple[str, tuple[str, ...]]]) -> dict[str, set[tuple[str, ...]]]:
    index: dict[str, set[tuple[str, ...]]] = {}
    for name, values in rows:
        index.setdefault(name, set()).add(values)
    return index


def _name(path: str) -> str:
    return path.replace("\\", "/").rpartition("/")[2]

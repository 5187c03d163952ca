"""A table of columns and its three kinds of file: Parquet, CSV and JSON lines, each read back as it was written."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from mien.files import replaced

SUFFIXES = (".parquet", ".csv", ".jsonl")


def parts(paths: Iterable[Path]) -> Iterator[Path]:
    """The files themselves; for a folder its part files by name."""
    for path in paths:
        if not path.is_dir():
            yield path
            continue
        # what begins with a dot is a file that is still being written
        found = sorted(part for part in path.iterdir() if part.suffix in SUFFIXES and not part.name.startswith("."))
        if not found:
            raise FileNotFoundError(f"no results in {path}: it has no {', '.join(SUFFIXES)}")
        yield from found


def read(path: Path, schema: pa.Schema) -> pa.Table:
    """A file's rows: exactly the schema's columns, in its order and its types.

    Raises:
        ValueError: columns are missing, or values are not of the schema's types, or the suffix is unknown.
        FileNotFoundError: there is no such file.
    """
    _known(path)
    if not path.is_file():
        raise FileNotFoundError(f"there is no file {path}")
    reader = {".parquet": _read_parquet, ".csv": _read_csv, ".jsonl": _read_jsonl}[path.suffix]
    try:
        return fitted(reader(path, schema), schema, path)
    except pa.ArrowException as error:
        raise ValueError(f"{path} cannot be read: {str(error).splitlines()[0]}") from None


def write(table: pa.Table, path: Path) -> None:
    """Write by the suffix, aside at first: whoever opens `path` sees all of it or none.

    Raises:
        ValueError: the suffix is unknown.
    """
    _known(path)
    with replaced(path) as aside:
        {".parquet": _write_parquet, ".csv": _write_csv, ".jsonl": _write_jsonl}[path.suffix](table, aside)


def fitted(table: pa.Table, schema: pa.Schema, path: Path) -> pa.Table:
    """Exactly the schema's columns, in its order and its types."""
    _has_all(schema, table.column_names, path)
    return table.select(schema.names).cast(schema)


def _known(path: Path) -> None:
    if path.suffix not in SUFFIXES:
        raise ValueError(f"{path}: a table ends in {', '.join(SUFFIXES)}")


def _has_all(schema: pa.Schema, names: Iterable[str], path: Path) -> None:
    there = set(names)
    missing = [name for name in schema.names if name not in there]
    if missing:
        raise ValueError(f"{path} lacks the columns {', '.join(missing)}")


def _read_parquet(path: Path, schema: pa.Schema) -> pa.Table:
    import pyarrow.parquet

    file = pyarrow.parquet.ParquetFile(path)
    names = [name for name in file.schema_arrow.names if name in schema.names]
    return file.read(columns=names)


def _write_parquet(table: pa.Table, path: Path) -> None:
    import pyarrow.parquet

    pyarrow.parquet.write_table(table, path, compression="zstd")


def _read_csv(path: Path, schema: pa.Schema) -> pa.Table:
    from pyarrow import csv

    types = {field.name: pa.string() if _is_list(field) else field.type for field in schema}
    # only what is empty and bare is null: a file may be called NA, and a text may be empty
    convert = csv.ConvertOptions(
        column_types=types, null_values=[""], strings_can_be_null=True, quoted_strings_can_be_null=False
    )
    table = csv.read_csv(path, convert_options=convert, parse_options=csv.ParseOptions(newlines_in_values=True))
    for place, name in enumerate(table.column_names):
        if name in schema.names and _is_list(schema.field(name)):
            trimmed = pc.utf8_trim_whitespace(table[name])
            filled = pc.if_else(pc.equal(trimmed, ""), None, trimmed)
            numbers = pc.cast(pc.utf8_split_whitespace(filled), schema.field(name).type)
            table = table.set_column(place, name, numbers)
    return table


def _write_csv(table: pa.Table, path: Path) -> None:
    from pyarrow import csv

    for place, field in enumerate(table.schema):
        if _is_list(field):
            texts = pc.binary_join(pc.cast(table[field.name], pa.list_(pa.string())), " ")
            table = table.set_column(place, field.name, texts)
    csv.write_csv(table, path)


def _read_jsonl(path: Path, schema: pa.Schema) -> pa.Table:
    import pyarrow.json

    with path.open(encoding="utf-8") as file:
        first = next((line for line in file if line.strip()), None)
    if first is None:
        return schema.empty_table()
    # Arrow fills what is missing with nulls, so the first line answers for all
    _has_all(schema, json.loads(first), path)
    options = pyarrow.json.ParseOptions(explicit_schema=schema, unexpected_field_behavior="ignore")
    return pyarrow.json.read_json(path, parse_options=options)


def _write_jsonl(table: pa.Table, path: Path) -> None:
    for place, field in enumerate(table.schema):
        table = table.set_column(place, field.name, _shortest(table[field.name]))
    with path.open("w", encoding="utf-8") as file:
        for batch in table.to_batches(max_chunksize=1000):
            for row in batch.to_pylist():
                file.write(json.dumps(row, ensure_ascii=False) + "\n")


def _shortest(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """float32 as the float64 of the fewest digits that mean it: .1 stands in the file, not .10000000149011612."""
    if column.type == pa.float32():
        return column.cast(pa.string()).cast(pa.float64())
    if column.type == pa.list_(pa.float32()):
        return column.cast(pa.list_(pa.string())).cast(pa.list_(pa.float64()))
    return column


def _is_list(field: pa.Field) -> bool:
    return bool(pa.types.is_list(field.type))

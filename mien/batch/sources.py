"""What to read: files, folders, globs, lists, tar shards and Parquet → a sorted listing of photos, none opened yet."""

from __future__ import annotations

import glob
import os
import tarfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from mien.batch.refusals import RefusalError

IMAGE_SUFFIXES = frozenset({".bmp", ".gif", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp"})
SHARD_SUFFIXES = (".tar", ".tar.gz", ".tgz")
TABLE_SUFFIX = ".parquet"


@dataclass(frozen=True, slots=True)
class Photo:
    """One picture to ask about.

    Attributes:
        id: unique in a listing: relative to the folder that was given; as written, for a file that was named; the
            shard's name, a colon and the member, in a shard; the column `id`, in a table.
        path: the file, or the shard or table that it is in.
        size_bytes: -1 where there was no file when the listing was made; that of the whole table, in a table.
        mtime_ns: of the file, the shard or the table.
        offset_bytes: where it begins in the (unpacked) shard; -1: it is a file of its own.
        row: its place in the table; -1: it is in none.
    """

    id: str
    path: str
    size_bytes: int
    mtime_ns: int
    offset_bytes: int = -1
    row: int = -1


def listing(arguments: Iterable[str], stdin: Iterable[str] = ()) -> list[Photo]:
    """Every photo that the arguments name, sorted by id. `-` takes paths from `stdin`, one a line.

    Raises:
        RefusalError: nothing is there, a shard is damaged, or two photos have the same id.
    """
    found: dict[str, Photo] = {}
    for argument in arguments:
        for photo in _named(argument, stdin):
            other = found.setdefault(photo.id, photo)
            if (other.path, other.offset_bytes, other.row) != (photo.path, photo.offset_bytes, photo.row):
                raise RefusalError(
                    f"{other.path} and {photo.path} would both be {photo.id!r} in the table: "
                    "give a folder that holds both, or ask for two tables"
                )
    if not found:
        raise RefusalError("there is no photo in what was given")
    return [found[key] for key in sorted(found)]


def in_reading_order(photos: Iterable[Photo]) -> list[Photo]:
    """As listed, but those of one table in its order, as a table is read in large pieces."""
    return sorted(photos, key=lambda photo: (photo.path, photo.row) if photo.row >= 0 else ("", 0))


def _named(argument: str, stdin: Iterable[str]) -> Iterator[Photo]:
    if argument == "-":
        yield from _listed(stdin)
    elif argument.startswith("@"):
        try:
            with Path(argument[1:]).open(encoding="utf-8", errors="surrogateescape") as lines:
                yield from _listed(lines)
        except OSError as error:
            raise RefusalError(f"the list {argument[1:]} cannot be read: {error.strerror}") from None
    elif Path(argument).exists():
        yield from _photos(argument)
    else:
        matches = sorted(glob.glob(argument, recursive=True)) if glob.has_magic(argument) else []  # noqa: PTH207
        if not matches:
            raise RefusalError(f"there is no {argument}")
        for match in matches:
            yield from _photos(match)


def _listed(lines: Iterable[str]) -> Iterator[Photo]:
    """A list's files need not be there: in a long one, a missing file is a row of the table."""
    for line in lines:
        if path := line.rstrip("\r\n"):
            yield from _photos(path)


def _photos(path: str) -> Iterator[Photo]:
    """A folder's images, a shard's members, or the file itself whatever its suffix."""
    path = os.path.normpath(path)
    if Path(path).is_dir():
        for folder, _, names in os.walk(path):
            for name in names:
                if _is_image(name):
                    file = f"{folder}{os.sep}{name}"  # a Path for each of a million would cost seconds
                    yield _file(os.path.relpath(file, path), file)
    elif path.lower().endswith(SHARD_SUFFIXES) and Path(path).is_file():
        yield from _members(path)
    elif path.lower().endswith(TABLE_SUFFIX) and Path(path).is_file():
        yield from _rows(path)
    else:
        yield _file(path, path)


def _file(name: str, path: str) -> Photo:
    try:
        status = os.stat(path)  # noqa: PTH116
    except OSError:
        return Photo(_text(name), path, -1, 0)
    return Photo(_text(name), path, status.st_size, status.st_mtime_ns)


def _members(path: str) -> Iterator[Photo]:
    """A shard's images; of two with one name the later, as tar itself would unpack."""
    last: dict[str, Photo] = {}
    try:
        mtime_ns = Path(path).stat().st_mtime_ns
        with tarfile.open(path, "r:gz" if is_gzip(path) else "r:") as shard:
            for member in shard:
                if member.isreg() and not member.issparse() and _is_image(Path(member.name).name):
                    name = _text(f"{Path(path).name}:{member.name}")
                    last[name] = Photo(name, path, member.size, mtime_ns, member.offset_data)
                # tarfile would keep them all
                shard.members = []  # type: ignore[attr-defined]
    except (OSError, EOFError, tarfile.TarError) as error:
        raise RefusalError(f"the shard {path} cannot be read: {error}") from None
    yield from last.values()


def _rows(path: str) -> Iterator[Photo]:
    """A table's pictures, by its columns `id` and `image`."""
    try:
        status = Path(path).stat()
        with pq.ParquetFile(path) as table:
            missing = [name for name in ("id", "image") if name not in table.schema_arrow.names]
            if missing or not _is_binary(table.schema_arrow.field("image").type):
                raise RefusalError(
                    f"{path} is no table of pictures: it needs the columns id and image, which is binary"
                )
            row = 0
            for batch in table.iter_batches(columns=["id"]):
                for name in batch["id"].to_pylist():
                    if name is None:
                        raise RefusalError(f"{path} has a row without an id")
                    yield Photo(_text(str(name)), path, status.st_size, status.st_mtime_ns, row=row)
                    row += 1
    except (OSError, pa.ArrowException) as error:
        raise RefusalError(f"the table {path} cannot be read: {str(error).splitlines()[0]}") from None


def _is_binary(kind: pa.DataType) -> bool:
    return bool(pa.types.is_binary(kind) or pa.types.is_large_binary(kind))


def is_gzip(path: str) -> bool:
    """By the first bytes: a suffix may lie."""
    with Path(path).open("rb") as file:
        return file.read(2) == b"\x1f\x8b"


def _is_image(name: str) -> bool:
    return not name.startswith(".") and os.path.splitext(name)[1].lower() in IMAGE_SUFFIXES  # noqa: PTH122


def _text(name: str) -> str:
    """The name as text that any table can hold, with / between folders; bytes that are not UTF-8 are spelt out."""
    return os.fsencode(name).decode("utf-8", "backslashreplace").replace(os.sep, "/")

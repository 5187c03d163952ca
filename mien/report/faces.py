"""Rows of the results as values: who is in a group, and what each face shows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import pyarrow as pa

from mien import results
from mien.report.groups import Groups
from mien.tables import EXPRESSIONS

ALL = "(all)"
_BOX = ("box_x", "box_y", "box_width", "box_height")


@dataclass(frozen=True, slots=True)
class Face:
    """What was read of a face; `box` (x, y, width, height) and `size` (width, height) are pixels of its image.

    Attributes:
        label: the expression that a person gave it, if anybody did and it is its image's only face.
    """

    image: str
    expression: str
    probabilities: tuple[float, ...]
    units: tuple[float, ...] | None
    box: tuple[float, ...]
    size: tuple[int, int]
    label: str | None

    @property
    def confidence(self) -> float:
        return self.probabilities[EXPRESSIONS.index(self.expression)]


@dataclass(slots=True)
class Members:
    """A group's images and faces."""

    name: str
    images: set[str] = field(default_factory=set)
    empty: set[str] = field(default_factory=set)  # images without a face
    failures: dict[str, list[tuple[str, str]]] = field(default_factory=dict)  # error code → (image, what to do)
    faces: list[Face] = field(default_factory=list)
    models: set[str] = field(default_factory=set)


def gather(table: pa.Table, groups: Groups) -> list[Members]:
    """The groups by name; rows without one are in none."""
    members: dict[str, Members] = {}
    for row, name, label in zip(_rows(table), groups.names, groups.labels, strict=True):
        if name is not None:
            _add(members.setdefault(name, Members(name)), row, label)
    # numbers in their own order: 9 before 10
    return sorted(members.values(), key=lambda one: (not one.name.isdecimal(), one.name.zfill(20), one.name))


def everybody(table: pa.Table, groups: Groups) -> Members:
    """All rows, with or without a group."""
    total = Members(ALL)
    for row, label in zip(_rows(table), groups.labels, strict=True):
        _add(total, row, label)
    return total


def _rows(table: pa.Table) -> Sequence[dict[str, object]]:
    rows: list[dict[str, object]] = table.drop_columns(["landmarks"]).to_pylist()
    return rows


def _add(members: Members, row: dict[str, object], label: str | None) -> None:
    image = str(row["image"])
    members.images.add(image)
    if row["model"] is not None:
        members.models.add(f"{row['model']} {row['model_version']}")
    if row["status"] == results.ERROR:
        failed = members.failures.setdefault(str(row["error_code"] or "unknown"), [])
        failed.append((image, str(row["error_detail"] or "")))
    elif row["status"] == results.NO_FACE:
        members.empty.add(image)
    else:
        units = _numbers(row, results.ACTION_UNITS)
        members.faces.append(
            Face(
                image,
                str(row["expression"]),
                _numbers(row, EXPRESSIONS) or (),
                units,
                _numbers(row, _BOX) or (),
                (_whole(row["image_width"]), _whole(row["image_height"])),
                label if row["faces"] == 1 else None,
            )
        )


def _numbers(row: dict[str, object], names: Sequence[str]) -> tuple[float, ...] | None:
    values = [row[name] for name in names]
    return None if None in values else tuple(float(value) for value in values if isinstance(value, float))


def _whole(value: object) -> int:
    return value if isinstance(value, int) else 0

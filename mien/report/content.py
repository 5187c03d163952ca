"""What a report says, before anybody decides how it looks: sections of sentences and tables."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Cell:
    """A table's cell: plain text, which the renderers escape.

    Attributes:
        small: what stands below it, such as an interval.
        shade: in [0, 1], how strongly the cell is coloured; None: not at all.
        picture: HTML of our own making, for the page alone.
    """

    text: str
    small: str = ""
    shade: float | None = None
    strong: bool = False
    picture: str = ""


@dataclass(frozen=True, slots=True)
class Section:
    """A heading, sentences, a picture, a table and the notes on it; all but the heading may be empty.

    Attributes:
        picture: HTML of our own making, for the page alone.
        rows: the first cell of each names it.
        words: how many columns, from the left, are words and not numbers.
    """

    title: str
    lead: Sequence[str] = ()
    picture: str = ""
    head: Sequence[str] = ()
    rows: Sequence[Sequence[Cell]] = ()
    notes: Sequence[str] = ()
    words: int = 1


@dataclass(frozen=True, slots=True)
class Report:
    """A title, the summary, what a reader must know before the rest, and the sections in order."""

    title: str
    summary: str
    warnings: Sequence[str]
    sections: Sequence[Section]

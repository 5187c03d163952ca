"""A report as one HTML page that needs no other file, and as Markdown. Everything that comes from data is escaped."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from itertools import repeat
from pathlib import Path

from mien.report.content import Cell, Report, Section
from mien.report.sheets import Example
from mien.report.telling import STATEMENT
from mien.report.wording import percent

_NARROW = 4  # columns that need not be spread over the page's whole width


def html(report: Report) -> str:
    """The page: style and pictures inside, no script, no address of anything else."""
    style = Path(__file__).with_name("page.css").read_text(encoding="utf-8")
    warnings = "".join(f"<li>{escape(each)}</li>" for each in report.warnings)
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<meta name="color-scheme" content="light dark">'
        f"<title>{escape(report.title)}</title><style>\n{style}</style></head>\n<body>\n<main>\n"
        f'<h1>{escape(report.title)}</h1>\n<p class="statement">{STATEMENT}</p>\n'
        + (f'<ul class="warnings">{warnings}</ul>\n' if warnings else "")
        + f'<p class="summary">{_words(report.summary)}</p>\n'
        + "\n".join(map(_section, report.sections))
        + "\n</main>\n</body></html>\n"
    )


def markdown(report: Report) -> str:
    """The same words and tables without pictures, such as a README can take in."""
    parts = [f"# {_plain(report.title)}", f"> {STATEMENT}"]
    parts += [f"**{_plain(each)}**" for each in report.warnings]
    parts.append(_plain(report.summary))
    for section in report.sections:
        if section.rows or not section.picture:
            parts += [f"## {_plain(section.title)}", *map(_plain, section.lead)]
        if section.rows:
            kept = [
                place for place, _ in enumerate(section.head) if not any(row[place].picture for row in section.rows)
            ]
            heads = " | ".join(section.head[place] for place in kept)
            lines = [f"| {heads} |", "|---" * len(kept) + "|"]
            lines += ["| " + " | ".join(_flat(row[place]) for place in kept) + " |" for row in section.rows]
            parts.append("\n".join(lines))
        parts += map(_plain, section.notes)
    return "\n\n".join(parts) + "\n"


def contact_sheets(sheets: Mapping[str, Sequence[Example]]) -> Section:
    """For each group a row of pictures, with expression and probability below each."""
    drawn = "".join(
        f'<div class="sheet"><b>{escape(name)}</b><div>{"".join(map(_example, found))}</div></div>'
        for name, found in sheets.items()
        if found
    )
    lead = "For each group the face that shows each expression most surely; not a typical one."
    gone = sum(not one.picture for found in sheets.values() for one in found)
    notes = [f"{gone} of the pictures are not in the folder, or are not those that were read."] if gone else []
    return Section("Examples", [lead], drawn, notes=notes)


def _words(sentence: str) -> str:
    """A sentence in which no line ends before a per cent sign."""
    return escape(sentence).replace(" %", "&nbsp;%")


def _section(section: Section) -> str:
    lead = "".join(f"<p>{_words(each)}</p>" for each in section.lead)
    notes = "".join(f'<p class="quiet">{_words(each)}</p>' for each in section.notes)
    return f"<section>\n<h2>{escape(section.title)}</h2>\n{lead}{section.picture}{_table(section)}{notes}\n</section>"


def _table(section: Section) -> str:
    if not section.rows:
        return ""
    kinds = ["word" if place < section.words else "number" for place, _ in enumerate(section.head)]
    named = zip(kinds, section.head, strict=True)
    heads = "".join(f'<th scope="col" class="{kind}">{escape(name)}</th>' for kind, name in named)
    rows = "".join(map(_row, section.rows, repeat(kinds)))
    size = ' class="narrow"' if len(section.head) <= _NARROW else ""
    region = f'<div class="wide" tabindex="0" role="region" aria-label="{escape(section.title)}">'
    return f"{region}<table{size}><thead><tr>{heads}</tr></thead><tbody>{rows}</tbody></table></div>"


def _row(row: Sequence[Cell], kinds: Sequence[str]) -> str:
    """A row without a name goes on with the one above."""
    kind = "" if row[0].text else ' class="goes-on"'
    return f"<tr{kind}>{''.join(map(_cell, row, kinds, range(len(row))))}</tr>"


def _cell(cell: Cell, kind: str, place: int) -> str:
    tag, scope = ("th", ' scope="row"') if place == 0 else ("td", "")
    text = f"<b>{escape(cell.text)}</b>" if cell.strong else escape(cell.text)
    small = f"<small>{escape(cell.small)}</small>" if cell.small else ""
    shade = f' style="--shade: {cell.shade:.3f}"' if cell.shade is not None else ""
    kind += " shaded" * (cell.shade is not None) + " drawn" * bool(cell.picture)
    return f'<{tag}{scope} class="{kind}"{shade}>{text}{small}{cell.picture}</{tag}>'


def _example(one: Example) -> str:
    face = one.face
    told = escape(f"{face.expression}, {percent(face.confidence)} %: {face.image}", quote=True)
    picture = (
        f'<img src="{one.picture}" width="96" height="96" alt="{told}" title="{told}">'
        if one.picture
        else f'<span class="gone" title="{told}">no picture</span>'
    )
    return f"<figure>{picture}<figcaption>{face.expression}<br>{percent(face.confidence)} %</figcaption></figure>"


def _flat(cell: Cell) -> str:
    return _plain(f"{cell.text} ({cell.small})" if cell.small else cell.text)


def _plain(text: str) -> str:
    """Text that Markdown leaves as it is: no tags, no table of its own, no new line."""
    flat = " ".join(escape(text, quote=False).split())
    for sign in "\\`*_[]|#":
        flat = flat.replace(sign, f"\\{sign}")
    return flat

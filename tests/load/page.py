"""What every measuring command shares: its options, what it says meanwhile, and its place in a page of the docs."""

from __future__ import annotations

import argparse
import os
import platform
import re
import time
from collections.abc import Iterable, Sequence
from pathlib import Path

from rich.console import Console

_SAY = Console(stderr=True, highlight=False)


def options(description: str, images: int, meaning: str, rounds: int | None = None) -> argparse.Namespace:
    """`images`, `into` and, where there is a usual number of them, `rounds`."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--images", type=int, default=images, help=f"{meaning} ({images})")
    parser.add_argument("--into", type=Path, help="put the result between this page's markers")
    if rounds is not None:
        parser.add_argument("--rounds", type=int, default=rounds, help=f"({rounds})")
    return parser.parse_args()


def say(sentence: str) -> None:
    """How far the measurement is, with the time of day."""
    _SAY.print(f"{time.strftime('%H:%M:%S')} {sentence}", markup=False, soft_wrap=True)


def machine() -> str:
    return f"On {os.cpu_count()} CPU cores ({platform.machine()}), callers on the same cores"


def table(rows: Iterable[Sequence[str]], head: Sequence[str] = ("", "")) -> str:
    """As Markdown."""
    lines = ["".join(f"| {cell} " if cell else "| " for cell in row) + "|" for row in (head, *rows)]
    return "\n".join([lines[0], "|---" * len(head) + "|", *lines[1:]])


def publish(text: str, mark: str, into: Path | None) -> None:
    """Print it and put it between `<!-- mark -->` and `<!-- /mark -->`.

    Raises:
        ValueError: the page has no such markers.
    """
    Console().print(text, markup=False, soft_wrap=True)
    if into is None:
        return
    place = re.compile(rf"(<!-- {mark} -->\n).*?(<!-- /{mark} -->)", re.DOTALL)
    page, found = place.subn(lambda match: f"{match[1]}{text}\n{match[2]}", into.read_text())
    if not found:
        raise ValueError(f"{into} has no <!-- {mark} --> with its end")
    into.write_text(page)

"""Cases as files: `FOLDER/SORT/NAME`, with `.unfinished` where the caller hangs up its end behind the bytes.

`tests/hostile/cases` holds those that were once answered wrongly, and some of every sort; `judging.Ledger` writes more.
"""

from __future__ import annotations

from pathlib import Path

from tests.hostile.judging import UNFINISHED, Case

CASES = Path(__file__).parent / "cases"


def read(sort: str, folder: Path = CASES) -> list[Case]:
    """The kept cases of a sort, by name."""
    return [
        Case(sort, path.name.removesuffix(UNFINISHED), path.read_bytes(), not path.name.endswith(UNFINISHED))
        for path in sorted((folder / sort).iterdir())
    ]

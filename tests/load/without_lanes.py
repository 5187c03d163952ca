"""`mien serve`, but nobody goes before anybody: what `priority.py` compares with."""

from __future__ import annotations

from mien.cli import main
from services import calls

if __name__ == "__main__":
    calls.patient = lambda: False
    main()

"""What a measuring command promises: each gate is a row of its table, and one that is missed is its exit status."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Gate:
    """A promise, what was measured, and whether it was kept."""

    promise: str
    measured: str
    kept: bool

    def row(self) -> tuple[str, str, str]:
        return self.promise, self.measured, "yes" if self.kept else "**no**"


HEAD = ("promised", "measured", "kept")


def leave(gates: Sequence[Gate]) -> None:
    """End the command: status 1 where a promise was broken."""
    broken = [f"{gate.promise}: {gate.measured}" for gate in gates if not gate.kept]
    if broken:
        sys.exit("missed: " + "; ".join(broken))

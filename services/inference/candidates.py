"""The versions that are on trial, as settings name them: `entry=version:percent` for a canary, `entry=version` for a
shadow, several with commas between them."""

from __future__ import annotations

import re
from dataclasses import dataclass

from services.inference.repository import RepositoryError

_CANARY = re.compile(r"(?P<model>\w+)=(?P<version>[1-9]\d*):(?P<percent>\d+(\.\d+)?)")
_SHADOW = re.compile(r"(?P<model>\w+)=(?P<version>[1-9]\d*)")


@dataclass(frozen=True, slots=True)
class Canary:
    """A version that answers a `share`, in [0, 1], of a model's calls."""

    version: int
    share: float


@dataclass(frozen=True, slots=True)
class Candidates:
    """Who is on trial, by the model's name; the versions of `shadows` are asked too, but never answer."""

    canaries: dict[str, Canary]
    shadows: dict[str, int]

    def models(self) -> set[str]:
        """The models that have one."""
        return self.canaries.keys() | self.shadows.keys()

    def versions(self, model: str) -> set[int]:
        """Those of one model."""
        canary, shadow = self.canaries.get(model), self.shadows.get(model)
        return ({canary.version} if canary else set()) | ({shadow} if shadow else set())


def read_candidates(canary: str, shadow: str) -> Candidates:
    """The settings' two texts, read.

    Raises:
        RepositoryError: one is not written as it must be.
    """
    canaries = {
        found["model"]: Canary(int(found["version"]), float(found["percent"]) / 100)
        for found in _each(_CANARY, "MIEN_CANARY", canary, "expression_classifier=4:10 (version 4, 10 per cent)")
    }
    for model, one in canaries.items():
        if one.share > 1:
            raise RepositoryError(f"MIEN_CANARY gives {model} more than 100 per cent.")
    shadows = {
        found["model"]: int(found["version"])
        for found in _each(_SHADOW, "MIEN_SHADOW", shadow, "expression_classifier=4 (version 4)")
    }
    return Candidates(canaries, shadows)


def _each(pattern: re.Pattern[str], setting: str, text: str, example: str) -> list[re.Match[str]]:
    found = [pattern.fullmatch(part.strip()) for part in text.split(",") if part.strip()]
    whole = [match for match in found if match]
    if len(whole) < len(found) or len({match["model"] for match in whole}) < len(whole):
        raise RepositoryError(f"{setting} must be written as {example}, each model once, with commas between them.")
    return whole

"""A rendered corpus is one frozen configuration, read from TOML: `training/configs/clay_*.toml`."""

from __future__ import annotations

import dataclasses
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class Clay:
    """Attributes:
    name: prefix of the identities; two corpora with different names and seeds share no head.
    seed: everything is a function of it and of the picture's number.
    head_model: ICT-FaceKit or MakeHuman, see `training/clay/head_model.py`.
    backgrounds: a folder of photos to stand in ('' = drawn walls and earth only); those that `yunet_faces.json`
        lists are left out.
    scans: a folder of scanned heads (see `scans.py`), '' = none; every `scan_every`th identity is one of them. Not for
        a test corpus: there are too few to be held apart.
    scenes: of each identity; a scene is one camera, light, material and dress.
    variants: pictures of each scene, alike but for the expression.
    free: share of the pictures whose units are combined freely.
    smallest_px, largest_px: of the face, log-uniform in between.
    yaw_deg: largest turn of the head.
    sky_lights: directions from which a sky is gathered. shadow_px: side of the shadow maps.
    fineness: rendered pixels for each pixel of the picture, along one axis.
    """

    name: str
    seed: int = 0
    head_model: str = "../shared/data/ict_facekit"
    backgrounds: str = "../shared/data/backgrounds"
    scans: str = ""
    scan_every: int = 30
    scenes: int = 3
    variants: int = 3
    free: float = 0.45
    smallest_px: float = 24.0
    largest_px: float = 400.0
    yaw_deg: float = 60.0
    sky_lights: int = 24
    shadow_px: int = 128
    fineness: float = 1.6


def load(path: Path) -> Clay:
    """Read a TOML file.

    Raises:
        ValueError: an unknown key or a value that cannot be.
    """
    with path.open("rb") as file:
        return from_dict({"name": path.stem, **tomllib.load(file)})


def from_dict(values: dict[str, Any]) -> Clay:
    known = {field.name: field.type for field in dataclasses.fields(Clay)}
    unknown = sorted(set(values) - set(known))
    if unknown:
        raise ValueError(f"unknown key {unknown[0]!r}; known are {', '.join(known)}")
    made = Clay(**values)
    if not (0 < made.smallest_px <= made.largest_px and made.scenes > 0 and made.variants > 0 and made.fineness >= 1):
        raise ValueError("sizes, scenes and variants must be positive, largest_px at least smallest_px, fineness ≥ 1")
    return made

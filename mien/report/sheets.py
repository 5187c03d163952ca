"""Contact sheets: for each group the most confident face of each expression, cut out of its picture."""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from mien.report.faces import Face, Members
from mien.tables import EXPRESSIONS

SIDE_PX = 96
_MARGIN = 0.25  # of the box's longer side, all round
_QUALITY = 85


@dataclass(frozen=True, slots=True)
class Example:
    """A face and its picture as a JPEG data URI; "" where the picture is not there or is not the one that was read."""

    face: Face
    picture: str


def examples(members: Sequence[Members], folder: Path) -> Mapping[str, tuple[Example, ...]]:
    """For each group's name its examples in Mien's order of expressions.

    Raises:
        ModuleNotFoundError: Pillow is not installed.
        FileNotFoundError: there is no such folder.
    """
    if not folder.is_dir():
        raise FileNotFoundError(f"there is no folder {folder}")
    return {
        each.name: tuple(Example(face, _picture(face, folder)) for face in most_confident(each.faces))
        for each in members
    }


def most_confident(faces: Sequence[Face]) -> list[Face]:
    """Of each expression that any face shows, the face that shows it with the highest probability."""
    best: dict[str, Face] = {}
    for face in faces:
        if face.expression not in best or face.confidence > best[face.expression].confidence:
            best[face.expression] = face
    return [best[name] for name in EXPRESSIONS if name in best]


def _picture(face: Face, folder: Path) -> str:
    from PIL import Image, ImageOps

    path = (folder / face.image).resolve()
    if not path.is_relative_to(folder.resolve()):  # an id is data: it must not lead out of the folder
        return ""
    try:
        with Image.open(path) as opened:
            upright = ImageOps.exif_transpose(opened).convert("RGB")
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        return ""
    if upright.size != face.size:
        return ""
    x, y, width, height = face.box
    centre, half = (x + width / 2, y + height / 2), (0.5 + _MARGIN) * max(width, height)
    left, top = (max(round(middle - half), 0) for middle in centre)
    right, bottom = (min(round(middle + half), end) for middle, end in zip(centre, upright.size, strict=True))
    if right <= left or bottom <= top:
        return ""
    cut = ImageOps.fit(upright.crop((left, top, right, bottom)), (SIDE_PX, SIDE_PX))
    file = io.BytesIO()
    cut.save(file, "JPEG", quality=_QUALITY)
    return "data:image/jpeg;base64," + base64.b64encode(file.getvalue()).decode()

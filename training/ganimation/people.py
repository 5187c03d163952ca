"""People for the expression generator: FER+ faces, or a folder of square face pictures with OpenFace's units.

FER+ frames a face more tightly than the landmarker's square does. It is laid into that square where its frame lies
(`frame.DEFAULT_FRAME`), so that people and statues have the same size; beyond its edge the border is repeated. Its
units are measured once by an exported landmarker and kept beside the corpus.
"""

from __future__ import annotations

import logging
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from rich.progress import track

from training.data import ferplus, openface
from training.data.faces import EXPRESSIONS, FaceTable
from training.data.folder import SUFFIXES
from training.ganimation.networks import FACE_PX
from training.ganimation.pieces import CACHE_PX, MARGIN_PX, Pieces, print_of
from training.ganimation.settings import Generation
from training.shape import align
from training.shape.frame import DEFAULT_FRAME, Function
from training.shape.squares import Square, cut

LOG = logging.getLogger("mien.training")
_BATCH = 64


def read(how: Generation, beside: Path, training: bool) -> Pieces:
    """The people of a configuration that can be learnt from, one scene each.

    Args:
        beside: folder for the file of measured units.
        training: FER+'s training rows, else its validation rows; a folder of pictures has training rows alone.

    Raises:
        FileNotFoundError: no faces, no landmarker, or a picture that OpenFace names is not there.
        ValueError: nobody is left.
    """
    folder = Path(how.people).expanduser()
    if how.people_units:
        found = _pictures(folder, Path(how.people_units).expanduser(), how.images)
    else:
        faces = ferplus.read(folder)
        table = faces.train if training else faces.validation
        found = _ferplus(table, Path(how.landmarker), beside, how.images if training else 0)
    if not len(found):
        raise ValueError(f"{folder}: no face has units that can be trusted")
    return found


def in_square(face: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """A tightly framed face `[side, side(, 3)]` where it lies in the landmarker's square, with the cache's margin."""
    px = len(face)
    x, y, side = DEFAULT_FRAME
    centre_x, centre_y = px / 2 + (0.5 - x) / side * px, px / 2 + (0.5 - y) / side * px
    return cut(face, Square(centre_x, centre_y, px / side * CACHE_PX / FACE_PX), CACHE_PX)


def measured(faces: NDArray[np.uint8], model: Function) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Units `[n, 17]` and quality `[n]` of cached faces, by the landmarker."""
    whole = Square(CACHE_PX / 2, CACHE_PX / 2, FACE_PX)
    parts = []
    for start in track(range(0, len(faces), _BATCH), "units of people"):
        crops = np.stack([cut(face, whole, align.FACE_PX) for face in faces[start : start + _BATCH]])
        answer = model(crops if crops.ndim == 4 else np.repeat(crops[..., None], 3, 3))
        parts.append((answer["action_units"], answer["quality"][:, 0]))
    units, quality = zip(*parts, strict=True)
    return np.concatenate(units), np.concatenate(quality)


def _ferplus(table: FaceTable, landmarker: Path, beside: Path, images: int) -> Pieces:
    """Faces whose landmarks can be trusted; their units are those of their first measurement."""
    table = table.take(np.arange(min(images or len(table), len(table))))
    faces = np.stack([in_square(face) for face in table.faces])
    model = align.landmarker(landmarker)
    kept = beside / f"people_{print_of(landmarker.read_bytes(), table.faces.tobytes())}.npz"
    if kept.exists():
        with np.load(kept) as data:
            units, quality = data["units"], data["quality"]
    else:
        LOG.info("measuring the units of %d people once: %s keeps them", len(faces), kept)
        units, quality = measured(faces, model)
        aside = kept.with_name(kept.name + ".writing.npz")
        np.savez(aside, units=units, quality=quality)
        aside.replace(kept)
    sure = quality >= align.MIN_QUALITY
    names = np.array([f"ferplus_{row}" for row in np.flatnonzero(sure)], np.str_)
    expression = np.array(EXPRESSIONS)[table.labels[sure]]
    return _alone(faces[sure], units[sure], names, expression)


def _pictures(folder: Path, units_folder: Path, images: int) -> Pieces:
    """Pictures that are the landmarker's square of one face already, each named as its CSV file is."""
    names, units = openface.read(units_folder)
    names, units = names[: images or None], units[: images or None]
    faces = np.empty((len(names), CACHE_PX, CACHE_PX, 3), np.uint8)
    for at, name in enumerate(names):
        file = next((f for f in sorted(folder.glob(f"{name}.*")) if f.suffix.lower() in SUFFIXES), None)
        picture = cv2.imread(str(file), cv2.IMREAD_COLOR) if file else None
        if picture is None:
            raise FileNotFoundError(f"no picture {folder / str(name)}.jpg or .png, though {units_folder} has its units")
        how = cv2.INTER_AREA if len(picture) > FACE_PX else cv2.INTER_LINEAR
        square = cv2.resize(picture[..., ::-1], (FACE_PX, FACE_PX), interpolation=how)
        faces[at] = np.pad(square, ((MARGIN_PX, MARGIN_PX), (MARGIN_PX, MARGIN_PX), (0, 0)), mode="edge")
    return _alone(faces, units, names, np.full(len(names), "", np.str_))


def _alone(
    faces: NDArray[np.uint8], units: NDArray[np.float32], names: NDArray[np.str_], expression: NDArray[np.str_]
) -> Pieces:
    count = len(faces)
    return Pieces(faces, units, np.arange(count), names, expression, np.ones(count, np.float32))

"""The section `[scenes]` of a detector's configuration: what its training canvases are composed of.

Every source is optional and one is enough; a path that is empty or missing is skipped with one line in the log.
`training/fcos/composition.py` composes the canvases. Lengths are pixels of the canvas, probabilities are in [0, 1].
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Scenes:
    """Attributes:
    corpora: folders that `mien clay render` filled: heads with box and landmarks, cut out by their masks.
    faces: FER+ (see `training/data/ferplus.py`): people's faces with a box and no points.
    backgrounds: photos with `yunet_faces.json`; without listed faces they are backgrounds, with faces they teach.
    teacher: YuNet's file; adds the five points to people's faces and to photos ('' or missing: boxes alone).
    landmarker: an exported landmarker; `mien evaluate` lets it look at doubtful finds, as the service does.
    photos: folders of photos with `yunet_faces.json` that are held out whole, for evaluation.
    side_px: of a training canvas; the served canvas is 320.
    canvases: in an epoch.
    smallest_px, largest_px: of a pasted face (root of its box's area), log-uniform in between.
    most: faces pasted into one canvas.
    photo: how often a canvas is a piece of a real photo with the teacher's boxes, as it is.
    empty: how often nothing is pasted at all.
    person: how often a pasted face is from FER+ rather than a rendered head.
    whole: how often a rendered picture is pasted as a rectangle, with its own background.
    framed: how often of a rendered head only the face is pasted, on some texture: hair, a veil, a helmet.
    cache_px: rendered heads are kept in memory with at most this long side.
    heads, people: rendered heads of each corpus and people's faces in memory, at most (0: all); spread evenly.
    """

    corpora: tuple[str, ...] = ()
    faces: str = "../shared/data/ferplus"
    backgrounds: str = "../shared/data/backgrounds"
    teacher: str = "../shared/data/yunet/face_detection_yunet_2023mar.onnx"
    landmarker: str = "model_repository/face_landmarker/4/model.onnx"
    photos: tuple[str, ...] = ("../shared/data/statue_photos", "../shared/data/people_photos")
    side_px: int = 320
    canvases: int = 8000
    smallest_px: float = 12.0
    largest_px: float = 320.0
    most: int = 6
    photo: float = 0.25
    empty: float = 0.08
    person: float = 0.35
    whole: float = 0.15
    framed: float = 0.35
    cache_px: int = 192
    heads: int = 0
    people: int = 8000

"""A rendered corpus on disk, opened for reading: pictures with everything that is true of them.

    <folder>/manifest.parquet                 a row per picture, see `Corpus`; `image` is its path, for `mien report`
    <folder>/images/<thousands>/<index>.jpg   the picture, RGB
    <folder>/masks/<thousands>/<index>.png    how much of each pixel the statue covers, 0 to 255
    <folder>/recipe.json                      what it was rendered with

`training/clay/render.py` writes it; the detector, the landmarker, the classifier and the generator learn from it.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

ACTION_UNITS = (
    "AU01", "AU02", "AU04", "AU05", "AU06", "AU07", "AU09", "AU10", "AU12",
    "AU14", "AU15", "AU17", "AU20", "AU23", "AU25", "AU26", "AU45",
)  # fmt: skip
LANDMARKS = 68
SIZES = ("0–32", "32–48", "48–64", "64–96", "96–160", "160 and more")  # bands of the face's size in pixels
# The person's left and right change places in a mirror image; landmark i of the mirror is landmark MIRROR[i].
MIRROR = np.array(
    [
        *range(16, -1, -1), *range(26, 16, -1), *range(27, 31), *range(35, 30, -1),
        45, 44, 43, 42, 47, 46, 39, 38, 37, 36, 41, 40,
        54, 53, 52, 51, 50, 49, 48, 59, 58, 57, 56, 55, 64, 63, 62, 61, 60, 67, 66, 65,
    ]
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Corpus:
    """n pictures and their truth; pixels are those of each picture, angles are degrees.

    Attributes:
        identity: `[n] str`, the head. No identity of a test corpus occurs in a training corpus.
        scene: `[n] int64`; pictures of one scene differ in their expression only (same head, camera and light).
        expression: `[n] str`, one of the seven, or "" where the units fit none of them.
        intensity: `[n] float32` in [0, 1], of the expression; 0 for neutral.
        action_units: `[n, 17] float32` in [0, 1]; NaN for heads without known units (scans).
        landmarks: `[n, 68, 2] float32` (x, y), iBUG's 68 points; NaN for scans.
        visible: `[n, 68] bool`: in the picture and not hidden.
        box: `[n, 4] float32` (x, y, width, height) of the face: forehead to chin, cheek to cheek; NaN if unknown.
        pose: `[n, 3] float32` (yaw, pitch, roll): yaw > 0 turns the face to the picture's right, pitch > 0 looks up,
            roll > 0 leans clockwise.
        kind: `[n] str`, the head model: `ict`, `makehuman` or `scan`.
        material, light, posture: `[n] str`.
        size: `[n, 2] int64` (width, height) of the picture.
    """

    folder: Path
    index: NDArray[np.int64]
    identity: NDArray[np.str_]
    scene: NDArray[np.int64]
    expression: NDArray[np.str_]
    intensity: NDArray[np.float32]
    action_units: NDArray[np.float32]
    landmarks: NDArray[np.float32]
    visible: NDArray[np.bool_]
    box: NDArray[np.float32]
    pose: NDArray[np.float32]
    kind: NDArray[np.str_]
    material: NDArray[np.str_]
    light: NDArray[np.str_]
    posture: NDArray[np.str_]
    size: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.index)

    def image(self, row: int) -> NDArray[np.uint8]:
        """The picture of a row, RGB `[height, width, 3] uint8`."""
        path = picture_path(self.folder, int(self.index[row]))
        found = cv2.imread(str(path), cv2.IMREAD_COLOR)
        if found is None:
            raise FileNotFoundError(f"no picture {path}: render the corpus again (mien clay render)")
        return found[..., ::-1].copy()

    def mask(self, row: int) -> NDArray[np.uint8]:
        """How much of each pixel the statue covers, `[height, width] uint8`."""
        path = mask_path(self.folder, int(self.index[row]))
        found = cv2.imread(str(path), cv2.IMREAD_GRAYSCALE)
        if found is None:
            raise FileNotFoundError(f"no mask {path}: render the corpus again (mien clay render)")
        return found


def read(folder: Path) -> Corpus:
    """Open a rendered corpus.

    Raises:
        FileNotFoundError: nothing was rendered there; says the command that does.
    """
    import pyarrow.parquet

    manifest = folder.expanduser() / "manifest.parquet"
    if not manifest.exists():
        raise FileNotFoundError(f"no rendered corpus in {folder}: mien clay render CONFIG --to {folder}")
    table = pyarrow.parquet.read_table(manifest)

    def texts(name: str) -> NDArray[np.str_]:
        return np.array(table[name].to_pylist(), np.str_)

    def numbers(name: str, dtype: type, *shape: int) -> NDArray:  # type: ignore[type-arg]
        column = table[name].combine_chunks()
        flat = column.flatten() if shape else column
        return flat.to_numpy(zero_copy_only=False).astype(dtype).reshape(len(table), *shape)

    return Corpus(
        manifest.parent,
        numbers("index", np.int64),
        texts("identity"),
        numbers("scene", np.int64),
        texts("expression"),
        numbers("intensity", np.float32),
        numbers("action_units", np.float32, len(ACTION_UNITS)),
        numbers("landmarks", np.float32, LANDMARKS, 2),
        numbers("visible", np.bool_, LANDMARKS),
        numbers("box", np.float32, 4),
        numbers("pose", np.float32, 3),
        texts("kind"),
        texts("material"),
        texts("light"),
        texts("posture"),
        numbers("size", np.int64, 2),
    )


def picture_path(folder: Path, index: int) -> Path:
    return folder / "images" / f"{index // 1000:03d}" / f"{index:06d}.jpg"


def mask_path(folder: Path, index: int) -> Path:
    return folder / "masks" / f"{index // 1000:03d}" / f"{index:06d}.png"


def size_names(boxes: NDArray[np.float32]) -> NDArray[np.str_]:
    """Which of `SIZES` each face is in, by the root of its box's area, `[n]`."""
    return np.array(SIZES)[np.digitize(np.sqrt(boxes[:, 2] * boxes[:, 3]), (32, 48, 64, 96, 160))]

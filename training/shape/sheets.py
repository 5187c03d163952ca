"""Sheets of faces with their landmarks drawn in: white where they are, green where they were found."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from training.clay.corpus import Corpus
from training.shape.align import shaped
from training.shape.crops import nominal
from training.shape.evaluate import Answers
from training.shape.frame import Function
from training.shape.squares import Square, cut, to_square

TILE_PX = 224
COLUMNS = 8
TRUE, FOUND, WANTED = (255, 255, 255), (60, 220, 60), (250, 180, 40)
MIN_SCORE = 0.8  # of the boxes that come with the photographs


def rendered(path: Path, corpus: Corpus, answers: Answers, count: int = 32) -> Path:
    """Heads spread over the whole corpus, true and found landmarks."""
    tiles = []
    for at in np.unique(np.linspace(0, len(answers.rows) - 1, count).astype(int)):
        row = int(answers.rows[at])
        square = nominal(corpus, row)
        tile = cut(corpus.image(row), square, TILE_PX)
        dots(tile, to_square(answers.true_landmarks[at], square), TRUE)
        dots(tile, to_square(answers.landmarks[at], square), FOUND)
        tiles.append(tile)
    return _save(path, tiles)


def photographs(path: Path, folder: Path, model: Function, count: int = 32) -> Path | None:
    """Faces of a folder of photographs with `yunet_faces.json` ({file: [[x, y, width, height, score], …]}): found
    landmarks, quality, and the square that a classifier wants. None if there is no such face."""
    tiles = []
    for picture, box in _faces(folder):
        found = shaped(picture, box, None, model)
        tile = cut(picture, found.seen, TILE_PX)
        dots(tile, to_square(found.landmarks, found.seen), FOUND)
        outline(tile, found.seen, found.wanted)
        cv2.putText(
            tile, f"{found.quality:.2f}", (4, TILE_PX - 6), cv2.FONT_HERSHEY_SIMPLEX, 0.5, FOUND, 1, cv2.LINE_AA
        )
        tiles.append(tile)
        if len(tiles) == count:
            break
    return _save(path, tiles) if tiles else None


def dots(tile: NDArray[np.uint8], points: NDArray[np.float32], colour: tuple[int, int, int]) -> None:
    """Points in units of the tile's side, drawn into it."""
    for x, y in np.round(points * TILE_PX * 16).astype(int).tolist():
        cv2.circle(tile, (x, y), 24, colour, -1, cv2.LINE_AA, 4)


def outline(tile: NDArray[np.uint8], seen: Square, wanted: Square) -> None:
    """The edges of `wanted` in a tile that shows `seen`."""
    roll = np.radians(wanted.roll_deg)
    turn = np.array([[np.cos(roll), -np.sin(roll)], [np.sin(roll), np.cos(roll)]])
    corners = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]]) * wanted.side / 2 @ turn.T
    corners = to_square((corners + np.array([wanted.centre_x, wanted.centre_y])).astype(np.float32), seen)
    cv2.polylines(tile, [np.round(corners * TILE_PX).astype(np.int32)[:, None]], True, WANTED, 1, cv2.LINE_AA)


def _faces(folder: Path) -> Iterator[tuple[NDArray[np.uint8], NDArray[np.float32]]]:
    record = folder / "yunet_faces.json"
    if not record.exists():
        raise FileNotFoundError(f"no {record}: it names the faces of each photograph, see docs/landmarks.md")
    for name, faces in sorted(json.loads(record.read_text()).items()):
        picture = cv2.imread(str(folder / name), cv2.IMREAD_COLOR)
        for face in faces if picture is not None else []:
            if face[4] >= MIN_SCORE:
                yield cv2.cvtColor(picture, cv2.COLOR_BGR2RGB).astype(np.uint8), np.array(face[:4], np.float32)


def _save(path: Path, tiles: list[NDArray[np.uint8]]) -> Path:
    tiles = tiles + [np.full_like(tiles[0], 255)] * (-len(tiles) % COLUMNS)
    rows = [np.concatenate(tiles[at : at + COLUMNS], 1) for at in range(0, len(tiles), COLUMNS)]
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), np.concatenate(rows)[..., ::-1])
    return path

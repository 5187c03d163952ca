"""Looking for a picture in what a service leaves: its log, its metrics, its traces, its refusals."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator

import cv2
import numpy as np

_WINDOW = 32  # letters that must be alike for a find
_LEAST_DIFFERENT = 6  # of them; a flat part of a picture is a row of equal letters, as is many a ruled line


def found(picture: bytes, text: str) -> list[str]:
    """Pieces of the picture's file, or of its pixels (RGB, BGR, luma), that stand in `text`, in any usual writing."""
    # Numbers are written with commas, brackets and line ends, or without.
    windows = {*_windows(text), *_windows(re.sub(r"[\s,\[\]()]+", " ", text))}
    bgr = cv2.imdecode(np.frombuffer(picture, np.uint8), cv2.IMREAD_COLOR)
    pixels = [image.tobytes() for image in (bgr, bgr[..., ::-1], cv2.cvtColor(bgr, cv2.COLOR_BGR2GRAY))]
    return [
        piece
        for data in (picture, *pixels)
        for form in _written(data)
        for piece in _windows(form)
        if piece in windows and len(set(piece)) >= _LEAST_DIFFERENT
    ]


def _windows(text: str) -> Iterator[str]:
    return (text[at : at + _WINDOW] for at in range(len(text) - _WINDOW + 1))


def _written(data: bytes) -> Iterator[str]:
    yield data.decode("latin-1")
    yield repr(data)
    yield data.hex()
    yield " ".join(str(value) for value in data)
    for start in range(3):  # base64 looks different at each of three beginnings
        yield base64.b64encode(data[start:]).decode()
        yield base64.urlsafe_b64encode(data[start:]).decode()

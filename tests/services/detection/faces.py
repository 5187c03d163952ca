"""A face drawn in code, which OpenCV's cascade and YuNet really find: tests need no photograph.

`drawn_face` gives the face alone, framed about as FER2013 frames one; `scene` puts faces onto a plain picture.
"""

from __future__ import annotations

import cv2
import numpy as np

from services.domain import RGB

_SKIN, _SHADE, _DARK, _LIPS = (224, 178, 150), (176, 128, 104), (62, 40, 34), (150, 72, 70)
_FINE = 512  # drawn at this side, then resized


def drawn_face(side_px: int) -> RGB:
    """`[side_px, side_px, 3] uint8`: a face as FER2013 frames it; from 32 px on it is found."""
    face = np.empty((_FINE, _FINE, 3), np.uint8)
    face[:] = (120, 104, 96)
    cv2.ellipse(face, (256, 262), (205, 262), 0, 0, 360, _SKIN, -1)
    cv2.ellipse(face, (256, 8), (215, 70), 0, 0, 360, _DARK, -1)  # hair
    for x, inward in ((165, 1), (347, -1)):
        cv2.ellipse(face, (x, 196), (62, 38), 0, 0, 360, _SHADE, -1)
        cv2.ellipse(face, (x, 150), (62, 15), -6 * inward, 0, 360, _DARK, -1)
        cv2.ellipse(face, (x, 200), (42, 19), 0, 0, 360, (236, 232, 226), -1)
        cv2.circle(face, (x, 200), 20, _DARK, -1)
    cv2.ellipse(face, (256, 245), (20, 85), 0, 0, 360, (238, 196, 168), -1)
    cv2.ellipse(face, (256, 325), (48, 18), 0, 0, 360, _SHADE, -1)
    for x in (236, 276):
        cv2.circle(face, (x, 328), 9, _DARK, -1)
    cv2.ellipse(face, (256, 408), (78, 22), 0, 0, 360, _LIPS, -1)
    cv2.ellipse(face, (256, 405), (74, 5), 0, 0, 360, _DARK, -1)
    cv2.ellipse(face, (256, 452), (55, 12), 0, 0, 360, _SHADE, -1)
    soft = cv2.GaussianBlur(face, (0, 0), 9)
    return cv2.resize(soft, (side_px, side_px), interpolation=cv2.INTER_AREA).astype(np.uint8, copy=False)


def scene(width: int, height: int, faces: tuple[tuple[int, int, int], ...]) -> RGB:
    """A picture `[height, width, 3] uint8` of soft daylight with `drawn_face`s at (left, top, side) pixels."""
    picture = np.empty((height, width, 3), np.uint8)
    picture[:] = np.linspace(150, 190, width, dtype=np.float32).astype(np.uint8)[None, :, None]
    for left, top, side in faces:
        picture[top : top + side, left : left + side] = drawn_face(side)
    return picture

"""What looks for leaks must find one."""

import base64
import json

import cv2
import numpy as np
import pytest

from tests import leaks

PICTURE = cv2.imencode(".png", np.random.default_rng(0).integers(0, 255, (24, 24, 3), np.uint8))[1].tobytes()
PIXELS = cv2.imdecode(np.frombuffer(PICTURE, np.uint8), cv2.IMREAD_COLOR)


@pytest.mark.parametrize(
    "text",
    [
        base64.b64encode(PICTURE).decode(),
        base64.b64encode(b"x" + PICTURE).decode(),
        repr(PICTURE),
        PICTURE.hex(),
        json.dumps(PIXELS[..., ::-1].tolist()).replace("[", "").replace("]", ""),
        str(PIXELS[10:12, :12].ravel()),
    ],
    ids=["base64", "base64 of a message with it", "repr", "hex", "a list of pixels", "an array as printed"],
)
def test_a_picture_in_a_log_is_found(text: str) -> None:
    assert leaks.found(PICTURE, f"before {text} after")


def test_other_text_is_no_picture() -> None:
    other = np.random.default_rng(1).bytes(4000)
    assert not leaks.found(PICTURE, f"{'0' * 64} {other.hex()} {base64.b64encode(other).decode()} {list(other)}")

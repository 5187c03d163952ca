"""What the tests of generation share: pictures for the tiny models, and how to ask and to read the answers."""

from __future__ import annotations

import io

import httpx
import numpy as np
from PIL import Image

from services.domain import RGB
from services.synthetic import DIGITAL_SOURCE_TYPE
from tests.conftest import encoded
from tests.services.detection.toy_models import painted
from tests.stack import Stack

SCENE = painted(640, 480, ("red", 160, 120, 96), ("blue", 400, 200, 128))
PICTURE = encoded(Image.fromarray(SCENE), "PNG")
UNREAD = encoded(Image.fromarray(painted(320, 240, ("green", 100, 80, 90))), "PNG")  # a face, but none to be trusted
EMPTY = encoded(Image.new("RGB", (200, 100), (60, 60, 60)), "PNG")


def ask(stack: Stack, query: str, image: bytes = PICTURE, **headers: str) -> httpx.Response:
    return httpx.post(f"{stack.url()}/v1/generate?{query}", files={"image": image}, headers=headers, timeout=60)


def opened(data: bytes) -> Image.Image:
    picture = Image.open(io.BytesIO(data))
    picture.load()
    return picture


def pixels(data: bytes) -> RGB:
    return np.asarray(opened(data).convert("RGB"))


def marked(picture: Image.Image) -> bool:
    """Whether the file's own metadata say that it is synthetic, and by whom it was made."""
    texts = [str(value) for value in picture.info.values()] + [str(value) for value in picture.getexif().values()]
    return any(DIGITAL_SOURCE_TYPE in text for text in texts) and any("Mien" in text for text in texts)

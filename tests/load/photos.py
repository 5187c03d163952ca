"""An archive to read: the eight rendered heads, each time at another place, size and brightness, and among them files
that are no pictures. The same number gives the same bytes."""

from __future__ import annotations

import random
import struct
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path

from PIL import Image

from tests.conftest import encoded, statue

SIZE_PX = (640, 480)


def _bomb(_: bytes) -> bytes:
    """A PNG that promises 3.6 billion pixels."""
    chunks = (b"IHDR" + struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0), b"IDAT" + zlib.compress(bytes(1000)))
    packed = (struct.pack(">I", len(chunk) - 4) + chunk + struct.pack(">I", zlib.crc32(chunk)) for chunk in chunks)
    return b"\x89PNG\r\n\x1a\n" + b"".join(packed)


# A way to be bad → what makes it of a good file's bytes, and the code that it must get.
BAD: Mapping[str, tuple[Callable[[bytes], bytes], str]] = {
    "half a file": (lambda good: good[: len(good) // 2], "truncated_image"),
    "text": (lambda _: b"This is no picture.\n", "not_an_image"),
    "an empty file": (lambda _: b"", "missing_image"),
    "zeros": (lambda good: bytes(len(good)), "not_an_image"),
    "a bomb": (_bomb, "too_many_pixels"),
    "a PDF": (lambda _: b"%PDF-1.7\n%%EOF\n", "unsupported_format"),
    "noise after a JPEG's start": (lambda good: good[:3] + random.Random(0).randbytes(9_000), "truncated_image"),
}


def photo(number: int) -> bytes:
    """One face, 160 to 400 pixels."""
    chance = random.Random(number)
    canvas = Image.linear_gradient("L").resize(SIZE_PX).convert("RGB")
    side = chance.randrange(160, 400)
    left, top = (chance.randrange(length - side + 1) for length in SIZE_PX)
    canvas.paste(statue(number).resize((side, side)), (left, top))
    brightness = chance.uniform(0.6, 1.3)
    return encoded(canvas.point(lambda value: min(255, round(value * brightness))))


def write(folder: Path, images: int) -> dict[str, str]:
    """So many files, one in a hundred of them bad (but each way at least once); the bad ones' codes by their names."""
    folder.mkdir()
    places = random.Random(images).sample(range(images), max(images // 100, len(BAD)))
    ways = {place: list(BAD.values())[turn % len(BAD)] for turn, place in enumerate(places)}
    codes = {}
    for number in range(images):
        data, name = photo(number), f"{number:06}.jpg"
        if number in ways:
            spoil, codes[name] = ways[number]
            data = spoil(data)
        (folder / name).write_bytes(data)
    return codes

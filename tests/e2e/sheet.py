"""The README's picture of generation: `python -m tests.e2e.sheet docs/generation.jpg`.

A real `mien serve all` puts each of six expressions on rendered heads, at full intensity; a row for each head, the head
as it is first. What comes back is shown as it is, and nothing is chosen among several answers.
"""

from __future__ import annotations

import argparse
import io
from collections.abc import Callable
from pathlib import Path

import httpx
import numpy as np
from PIL import Image, ImageDraw, ImageOps

from services.synthetic import picture
from tests.stack import running

HEADS = (6, 1, 0, 7)
SHOWN = ("happiness", "surprise", "sadness", "anger", "disgust", "fear")
TILE_PX, LINE_PX = 200, 22
PICTURES = Path(__file__).resolve().parents[1] / "pictures"


def sheet(url: str) -> Image.Image:
    """The heads of `HEADS` with every expression, named above."""
    size = (TILE_PX * (1 + len(SHOWN)), LINE_PX + TILE_PX * len(HEADS))
    canvas = Image.new("RGB", size, "white")
    draw = ImageDraw.Draw(canvas)
    for column, name in enumerate(("as it is", *SHOWN)):
        middle = (column * TILE_PX + TILE_PX // 2, LINE_PX // 2)
        draw.text(middle, name, "black", anchor="mm", font_size=14)
    for row, head in enumerate(HEADS):
        data = (PICTURES / f"statue_{head}.jpg").read_bytes()
        answers = [data]
        for name in SHOWN:
            answer = httpx.post(f"{url}/v1/generate?expression={name}", files={"image": data}, timeout=60)
            answers.append(answer.raise_for_status().content)
        for column, answer in enumerate(answers):
            tile = ImageOps.fit(Image.open(io.BytesIO(answer)).convert("RGB"), (TILE_PX, TILE_PX))
            canvas.paste(tile, (column * TILE_PX, LINE_PX + row * TILE_PX))
    return canvas


def write(draw: Callable[[str], Image.Image], description: str) -> None:
    """The command: start everything, `draw` with the gateway's URL, write the picture where the caller wants it."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("to", type=Path, help="a .jpg")
    options = parser.parse_args()
    with running("all") as server:
        made = draw(server.url())
    options.to.write_bytes(picture(np.asarray(made), "jpeg", 88))


if __name__ == "__main__":
    write(sheet, "Six expressions on rendered heads, through a running gateway.")

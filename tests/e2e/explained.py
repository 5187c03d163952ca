"""The README's picture of explanations: `python -m tests.e2e.explained docs/explaining.jpg`.

A real `mien serve all` classifies rendered heads with `explain=true`; what comes back is shown as it is.
"""

from __future__ import annotations

import base64
import io

import httpx
from PIL import Image, ImageDraw

from tests.e2e.sheet import PICTURES, write

HEADS = (0, 4, 3, 6)
TILE_PX, LINE_PX = 224, 40


def sheet(url: str) -> Image.Image:
    """The heat map of each head, with the expression, its probability and the units that speak for it below."""
    canvas = Image.new("RGB", (TILE_PX * len(HEADS), TILE_PX + LINE_PX), "white")
    draw = ImageDraw.Draw(canvas)
    for column, head in enumerate(HEADS):
        files = {"image": (PICTURES / f"statue_{head}.jpg").read_bytes()}
        answer = httpx.post(f"{url}/v1/classify?explain=true", files=files, timeout=60).raise_for_status()
        (face,) = answer.json()["faces"]
        drawn = Image.open(io.BytesIO(base64.b64decode(face["explanation"]["heat_map"])))
        canvas.paste(drawn, (column * TILE_PX, 0))
        lines = (
            f"{face['expression']} {face['probabilities'][face['expression']]:.2f}",
            " ".join(f"{name} {value:.1f}" for name, value in list(face["explanation"]["action_units"].items())[:3]),
        )
        for row, line in enumerate(lines):
            middle = column * TILE_PX + TILE_PX // 2, TILE_PX + 11 + 18 * row
            draw.text(middle, line, "black", anchor="mm", font_size=13)
    return canvas


if __name__ == "__main__":
    write(sheet, "Explained expressions of rendered heads, through a running gateway.")

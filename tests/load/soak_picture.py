"""A long run as a picture: memory, descriptors and threads, waits, and the machine's own pace, over the minutes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from tests.load.samples import Sample

_SIZE_PX, _LEFT_PX, _RIGHT_PX = (1000, 1040), 70, 20
_INK, _PALE = (40, 44, 52), (225, 228, 232)
_COLOURS = ((31, 119, 180), (214, 96, 40), (44, 140, 90))
_QUALITY = 85

Line = tuple[str, Callable[[Sample], float | None]]
_PANELS: Sequence[tuple[str, Sequence[Line]]] = (
    ("memory, MiB", (("resident memory", lambda one: one.rss_mib),)),
    (
        "open descriptors, threads",
        (("descriptors", lambda one: float(one.descriptors)), ("threads", lambda one: float(one.threads))),
    ),
    ("seconds of single calls", (("p50", lambda one: one.p50_s), ("p99", lambda one: one.p99_s))),
    (
        "processor milliseconds of a fixed computation; stolen processor time, %",
        (("pace", lambda one: 1000 * one.pace_s), ("stolen", lambda one: 100 * one.stolen)),
    ),
)


def draw(samples: Sequence[Sample], warm_s: float, path: Path) -> None:
    """As JPEG; what was warm-up is shaded."""
    picture = Image.new("RGB", _SIZE_PX, "white")
    pen, font = ImageDraw.Draw(picture), ImageFont.load_default(15)
    height, longest = _SIZE_PX[1] // len(_PANELS), max(samples[-1].at_s, 1.0)
    for number, (title, lines) in enumerate(_PANELS):
        top, bottom = number * height + 34, (number + 1) * height - 28
        values = [value for _, of in lines for one in samples if (value := of(one)) is not None]
        most = 1.15 * max(values, default=1.0) or 1.0

        def place(
            at_s: float, value: float, *, top: int = top, bottom: int = bottom, most: float = most
        ) -> tuple[float, float]:
            across = _SIZE_PX[0] - _LEFT_PX - _RIGHT_PX
            return _LEFT_PX + across * at_s / longest, bottom - (bottom - top) * value / most

        pen.rectangle((place(0, most), place(min(warm_s, longest), 0)), fill=(245, 245, 240))
        for share in (0.0, 0.5, 1.0):
            pen.line((place(0, share * most), place(longest, share * most)), fill=_PALE)
            label = f"{share * most:.3g}"
            x, y = place(0, share * most)
            pen.text((x - 8, y), label, _INK, font, anchor="rm")
        pen.text((_LEFT_PX, top - 24), title, _INK, font)
        for turn, (name, of) in enumerate(lines):
            points = [place(one.at_s, value) for one in samples if (value := of(one)) is not None]
            if len(points) > 1:
                pen.line(points, fill=_COLOURS[turn], width=2, joint="curve")
            pen.text((_SIZE_PX[0] - _RIGHT_PX - 130 * turn, top - 24), name, _COLOURS[turn], font, anchor="ra")
        pen.text((_SIZE_PX[0] - _RIGHT_PX, bottom + 6), f"{longest / 60:.3g} minutes", _INK, font, anchor="ra")
    picture.save(path, quality=_QUALITY, optimize=True)

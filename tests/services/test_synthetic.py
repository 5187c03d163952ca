"""Generated pictures as files: what they say of themselves, and what they cannot hold."""

from __future__ import annotations

import io
import zipfile
from xml.etree import ElementTree

import numpy as np
import pytest
from PIL import Image

from services import synthetic
from services.errors import Kind, MienError

FRAMES = [np.full((20, 30, 3), shade, np.uint8) for shade in (40, 120, 200)]


def test_the_mark_stands_where_other_programs_look_for_it() -> None:
    png = Image.open(io.BytesIO(synthetic.picture(FRAMES[0], "png")))
    assert png.text["DigitalSourceType"] == synthetic.DIGITAL_SOURCE_TYPE  # type: ignore[attr-defined]
    assert png.text["Software"] == "Mien"  # type: ignore[attr-defined]
    jpeg = Image.open(io.BytesIO(synthetic.picture(FRAMES[0], "jpeg")))
    webp = Image.open(io.BytesIO(synthetic.animation(FRAMES, "webp")))
    for picture in (jpeg, webp):
        assert picture.getexif()[0x0131] == "Mien"
        assert synthetic.DIGITAL_SOURCE_TYPE in picture.getexif()[0x010E]
    for xmp in (png.info["XML:com.adobe.xmp"].encode(), jpeg.info["xmp"], webp.info["xmp"]):
        (description,) = ElementTree.fromstring(xmp.strip(b"\0"))[0]
        iptc = "{http://iptc.org/std/Iptc4xmpExt/2008-02-29/}"
        assert description.get(f"{iptc}DigitalSourceType") == synthetic.DIGITAL_SOURCE_TYPE
        assert description.get("{http://ns.adobe.com/xap/1.0/}CreatorTool") == "Mien"
    gif = Image.open(io.BytesIO(synthetic.animation(FRAMES, "gif")))
    assert synthetic.DIGITAL_SOURCE_TYPE.encode() in gif.info["comment"]


@pytest.mark.parametrize("form", ["webp", "gif"])
def test_an_animation_shows_every_frame_and_begins_again(form: str) -> None:
    moving = Image.open(io.BytesIO(synthetic.animation(FRAMES, form)))
    assert moving.n_frames == 3  # type: ignore[attr-defined]
    assert moving.info["loop"] == 0
    for number, frame in enumerate(FRAMES):
        moving.seek(number)
        assert np.abs(np.asarray(moving.convert("RGB")).astype(int) - frame).max() <= 3


def test_an_archive_is_the_same_bytes_each_time_and_keeps_every_pixel() -> None:
    data = synthetic.archive(FRAMES, {"note": "two"})
    assert data == synthetic.archive(iter(FRAMES), {"note": "two"})
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        assert archive.namelist() == ["frame_01.png", "frame_02.png", "frame_03.png", "frames.json"]
        np.testing.assert_array_equal(np.asarray(Image.open(archive.open("frame_02.png"))), FRAMES[1])


@pytest.mark.parametrize(("form", "side"), [("webp", 16384), ("gif", 65536)])
def test_a_side_that_a_format_cannot_hold_is_an_error_of_the_table(form: str, side: int) -> None:
    with pytest.raises(MienError, match="another format") as caught:
        synthetic.animation([np.zeros((1, side, 3), np.uint8)], form)
    assert caught.value.kind is Kind.TOO_MANY_PIXELS
    with pytest.raises(MienError, match="another format"):
        synthetic.picture(np.zeros((65501, 1, 3), np.uint8), "jpeg")

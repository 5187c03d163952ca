"""Bytes → RGB: every format as it should look, every hostile file refused."""

from __future__ import annotations

import contextlib
import io
import struct
import time
import tracemalloc
import warnings
import zlib
from typing import Literal

import numpy as np
import pytest
from PIL import Image

from services.domain import RGB
from services.errors import Kind, MienError
from services.images import ImageLimits, decode

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning:PIL", "ignore::PIL.Image.DecompressionBombWarning")

ORIENTATION = 0x0112
STORED_AS = {
    1: lambda upright: upright,
    2: lambda upright: upright[:, ::-1],
    3: lambda upright: upright[::-1, ::-1],
    4: lambda upright: upright[::-1],
    5: lambda upright: upright.swapaxes(0, 1),
    6: lambda upright: np.rot90(upright, 1),
    7: lambda upright: upright[::-1, ::-1].swapaxes(0, 1),
    8: lambda upright: np.rot90(upright, -1),
}


def asymmetric() -> RGB:
    """A picture that looks different under every turn and mirror; smooth, so that JPEG keeps it."""
    y, x = np.mgrid[0:48, 0:80]
    return np.stack([x * 3, y * 5, (x + y) * 2 % 251], -1).clip(0, 255).astype(np.uint8)


def encode(picture: Image.Image | RGB, form: str, **options: object) -> bytes:
    stream = io.BytesIO()
    (picture if isinstance(picture, Image.Image) else Image.fromarray(np.ascontiguousarray(picture))).save(
        stream, form, **options
    )
    return stream.getvalue()


def chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def png_of_zeros(width: int, height: int, pixels: bytes = b"") -> bytes:
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")


def kind_of(data: bytes, limits: ImageLimits | None = None) -> Kind:
    with pytest.raises(MienError) as caught:
        decode(data, limits)
    assert caught.value.field == "image"
    assert caught.value.detail.endswith(".")
    return caught.value.kind


@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP", "TIFF"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_every_exif_orientation_decodes_to_the_same_upright_picture(form: str, orientation: int) -> None:
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    options = {"JPEG": {"quality": 100, "subsampling": 0}, "WEBP": {"lossless": True}}.get(form, {})
    image = decode(encode(STORED_AS[orientation](asymmetric()), form, exif=exif, **options))
    assert image.shape == asymmetric().shape
    assert np.abs(image.astype(int) - asymmetric()).max() <= (8 if form == "JPEG" else 0)


def test_damaged_exif_does_not_spoil_a_sound_picture() -> None:
    data = encode(asymmetric(), "JPEG", exif=b"Exif\0\0II*\0\xff\xff\xff\xff garbage")
    assert decode(data).shape == asymmetric().shape


@pytest.mark.parametrize("form", ["PNG", "BMP", "TIFF", "GIF"])
def test_lossless_formats_keep_every_pixel(form: str) -> None:
    few_colours = asymmetric() // 64 * 64
    image = decode(encode(few_colours, form))
    assert image.dtype == np.uint8
    np.testing.assert_array_equal(image, few_colours)


def test_sixteen_bit_grey_is_scaled_and_not_clipped() -> None:
    ramp = np.linspace(0, 65535, 256).astype(np.uint16).reshape(16, 16)
    for form in ("PNG", "TIFF"):
        image = decode(encode(Image.fromarray(ramp), form))
        np.testing.assert_array_equal(image[..., 0].ravel(), np.arange(256))
        np.testing.assert_array_equal(image[..., 0], image[..., 2])


def grey_tiff(rows: np.ndarray, bits: int, white_is_zero: bool) -> bytes:
    """An uncompressed TIFF of `bits` a pixel, as Pillow reads but does not write it."""
    height, width = rows.shape
    if bits == 12:  # two pixels in three bytes, the high bits first
        first, second = rows[:, ::2].astype(np.uint32), rows[:, 1::2].astype(np.uint32)
        packed = np.stack([first >> 4, (first & 15) << 4 | second >> 8, second & 255], 2).astype(np.uint8).tobytes()
    else:
        packed = rows.astype("<u2").tobytes()
    tags = {256: width, 257: height, 258: bits, 259: 1, 262: 0 if white_is_zero else 1, 273: 8, 277: 1, 278: height}
    tags[279] = len(packed)
    entries = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in sorted(tags.items()))
    return b"II*\0" + struct.pack("<I", 8 + len(packed)) + packed + struct.pack("<H", len(tags)) + entries + bytes(4)


@pytest.mark.parametrize(("bits", "white_is_zero"), [(16, False), (16, True), (12, False)])
def test_tiffs_of_few_bits_and_of_inverted_grey_are_as_bright_as_they_are(bits: int, white_is_zero: bool) -> None:
    white = (1 << bits) - 1
    ramp = np.linspace(0, white, 256).round().astype(np.uint16).reshape(16, 16)
    image = decode(grey_tiff(white - ramp if white_is_zero else ramp, bits, white_is_zero))
    np.testing.assert_array_equal(image[..., 0].ravel(), np.arange(256))


@pytest.mark.parametrize("mode", ["1", "L", "P", "CMYK", "YCbCr"])
def test_other_colour_modes_become_rgb(mode: str) -> None:
    picture = Image.new("RGB", (20, 10), (255, 255, 255)).convert(mode)
    image = decode(encode(picture, "JPEG" if mode == "YCbCr" else "TIFF"))
    assert image.shape == (10, 20, 3)
    assert image.min() >= 254


def test_a_cmyk_jpeg_is_not_inverted() -> None:
    image = decode(encode(Image.new("RGB", (16, 16), (200, 40, 40)).convert("CMYK"), "JPEG", quality=95))
    assert np.abs(image.astype(int) - (200, 40, 40)).max() <= 8


def test_transparency_is_laid_over_mid_grey() -> None:
    rgba = np.zeros((4, 4, 4), np.uint8)
    rgba[..., 0], rgba[:, 2:, 3] = 255, 255
    for form in ("PNG", "WEBP"):
        image = decode(encode(Image.fromarray(rgba), form, **({"lossless": True} if form == "WEBP" else {})))
        np.testing.assert_array_equal(image[0, 0], (128, 128, 128))
        np.testing.assert_array_equal(image[0, 3], (255, 0, 0))
    palette = Image.new("P", (4, 4), 1)
    palette.putpalette([255, 0, 0, 0, 255, 0])
    np.testing.assert_array_equal(decode(encode(palette, "PNG", transparency=b"\xff\x00"))[0, 0], (128, 128, 128))
    np.testing.assert_array_equal(decode(encode(palette, "PNG", transparency=b"\x00\xff"))[0, 0], (0, 255, 0))


@pytest.mark.parametrize("form", ["GIF", "WEBP", "PNG", "TIFF"])
def test_an_animation_is_its_first_frame(form: str) -> None:
    red, blue = Image.new("RGB", (8, 8), (255, 0, 0)), Image.new("RGB", (8, 8), (0, 0, 255))
    options = {"lossless": True} if form == "WEBP" else {}
    image = decode(encode(red, form, save_all=True, append_images=[blue], **options))
    np.testing.assert_array_equal(image[4, 4], (255, 0, 0))


@pytest.mark.parametrize("size", [(1, 1), (1, 65000), (65000, 1)])
def test_the_thinnest_pictures_decode(size: tuple[int, int]) -> None:
    assert decode(encode(Image.new("RGB", size), "PNG")).shape == (size[1], size[0], 3)


@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP", "BMP", "TIFF", "GIF"])
def test_a_truncated_picture_is_an_error_and_never_half_grey(form: str) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    whole = encode(noise, form)
    expected = decode(whole)
    for share in (0.02, 0.3, 0.5, 0.9, 0.99):
        data = whole[: int(len(whole) * share)]
        with contextlib.suppress(MienError):  # or what was cut off was not pixels
            np.testing.assert_array_equal(decode(data), expected)
    assert kind_of(whole[: len(whole) // 2]) is Kind.TRUNCATED_IMAGE


def test_a_progressive_jpeg_that_breaks_off_is_an_error() -> None:
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    whole = encode(noise, "JPEG", progressive=True)
    assert kind_of(whole[: len(whole) // 2]) is Kind.TRUNCATED_IMAGE


def test_a_damaged_png_is_an_error() -> None:
    data = bytearray(encode(asymmetric(), "PNG"))
    data[len(data) // 2] ^= 0xFF
    assert kind_of(bytes(data)) is Kind.TRUNCATED_IMAGE


@pytest.mark.parametrize("warnings_are", ["ignore", "error"])
def test_flipped_bytes_never_escape_as_another_exception(warnings_are: Literal["ignore", "error"]) -> None:
    rng = np.random.default_rng(0)
    warnings.simplefilter(warnings_are)
    for form in ("JPEG", "PNG", "WEBP", "BMP", "TIFF", "GIF"):
        whole = encode(asymmetric(), form)
        for _ in range(100):
            data = np.frombuffer(whole, np.uint8).copy()
            data[rng.integers(0, min(len(data), 400), 4)] = rng.integers(0, 256, 4)
            with contextlib.suppress(MienError):
                assert decode(data.tobytes(), ImageLimits(max_pixels=100_000)).ndim == 3


def test_nothing_garbage_and_foreign_formats_are_told_apart() -> None:
    assert kind_of(b"") is Kind.MISSING_IMAGE
    assert kind_of(b"hello") is Kind.NOT_AN_IMAGE
    assert kind_of(bytes(10_000)) is Kind.NOT_AN_IMAGE
    assert kind_of(b"\xff\xd8\xff\xe0 not really") is Kind.TRUNCATED_IMAGE


@pytest.mark.parametrize(
    ("start", "name"),
    [
        (b"\0\0\0\x18ftypheic", "HEIC"),
        (b"\0\0\0\x20ftypavif", "AVIF"),
        (b"<?xml version='1.0'?><svg xmlns='http://www.w3.org/2000/svg'/>", "SVG"),
        (b"%PDF-1.7\n", "PDF"),
        (b"8BPS\0\1", "Photoshop"),
        (b"\xff\x0a\0\0", "JPEG XL"),
        (b"P6\n1 1\n255\n\0\0\0", "PNM"),
    ],
)
def test_a_foreign_format_is_named_with_what_is_accepted(start: bytes, name: str) -> None:
    with pytest.raises(MienError, match=f"{name}.*JPEG, PNG, WebP") as caught:
        decode(start + bytes(200))
    assert caught.value.kind is Kind.UNSUPPORTED_FORMAT


def test_too_many_bytes_are_refused_unread() -> None:
    assert kind_of(bytes(101), ImageLimits(max_bytes=100)) is Kind.TOO_MANY_BYTES


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("side", [12_000, 20_000, 65_535])
def test_a_bomb_is_refused_from_its_header(side: int) -> None:
    kind_of(png_of_zeros(side, side))  # whatever is loaded at the first refusal
    rows = zlib.compress(bytes(10_000_000), 9)
    data = png_of_zeros(side, side, rows)
    tracemalloc.start()
    begun = time.perf_counter()
    assert kind_of(data) is Kind.TOO_MANY_PIXELS
    taken_s, (_, peak_bytes) = time.perf_counter() - begun, tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert taken_s < 0.1
    assert peak_bytes < 1_000_000


def test_a_text_chunk_that_unpacks_to_a_gigabyte_is_not_unpacked() -> None:
    text = chunk(b"zTXt", b"comment\0\0" + zlib.compress(bytes(64 * 1024 * 1024), 9))
    whole = encode(asymmetric(), "PNG")
    at = 8 + 25  # behind the signature and the header
    tracemalloc.start()
    with contextlib.suppress(MienError):
        decode(whole[:at] + text + whole[at:])
    _, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak_bytes < 16 * 1024 * 1024

"""Pictures that are well formed, in every format and colour space that can be written here.

Each is an answer 200, those of formats that are not read a refusal. `turned` are the eight EXIF orientations of one
upright picture: whoever applies them sees the same.
"""

from __future__ import annotations

import io
import struct
import zipfile
from collections.abc import Iterator

import cv2
import numpy as np
from PIL import Image, ImageCms, features

_ORIENTATION = 0x0112
# stored so that the orientation brings it upright
_STORED = {
    1: None,
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_90,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}


def written(picture: Image.Image, form: str, **options: object) -> bytes:
    """As a file of this format."""
    stream = io.BytesIO()
    picture.save(stream, form, **options)
    return stream.getvalue()


def turned(upright: Image.Image, form: str) -> Iterator[bytes]:
    """The picture in each EXIF orientation, 1 to 8."""
    for orientation, transpose in _STORED.items():
        exif = Image.Exif()
        exif[_ORIENTATION] = orientation
        stored = upright if transpose is None else upright.transpose(transpose)
        yield written(stored, form, exif=exif)


def variants(photo: Image.Image) -> dict[str, bytes]:
    """A photo (RGB) in every way to write it that is read, by name."""
    alpha = photo.convert("RGBA")
    alpha.putalpha(Image.linear_gradient("L").resize(photo.size))
    small, deep = photo.resize((48, 48)), np.asarray(photo).astype(np.uint16)[..., ::-1] * 257
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    grey, palette = photo.convert("L"), photo.convert("P", palette=Image.Palette.ADAPTIVE)
    grey16 = Image.fromarray(np.asarray(grey).astype(np.uint16) * 257)
    exif = Image.Exif()
    exif[_ORIENTATION] = 6
    return {
        "jpeg": written(photo, "JPEG", quality=90),
        "jpeg-progressive": written(photo, "JPEG", progressive=True),
        "jpeg-grey": written(grey, "JPEG"),
        "jpeg-cmyk": written(photo.convert("CMYK"), "JPEG"),
        "jpeg-icc": written(photo, "JPEG", icc_profile=profile),
        "jpeg-exif": written(photo, "JPEG", exif=exif, comment=b"c" * 1000),
        "jpeg-444-restart": written(photo, "JPEG", subsampling=0, restart_marker_rows=1),
        "png": written(photo, "PNG"),
        "png-alpha": written(alpha, "PNG"),
        "png-grey": written(grey, "PNG"),
        "png-grey-alpha": written(alpha.convert("LA"), "PNG"),
        "png-grey-16-bit": written(grey16, "PNG"),
        "png-16-bit": cv2.imencode(".png", deep)[1].tobytes(),
        "png-palette": written(palette, "PNG", transparency=b"\xff\0\x80"),
        "png-one-bit": written(photo.convert("1"), "PNG"),
        "png-icc": written(photo, "PNG", icc_profile=profile),
        "png-animated": written(small, "PNG", save_all=True, append_images=[small.rotate(9)] * 3),
        "webp": written(photo, "WEBP"),
        "webp-lossless-alpha": written(alpha, "WEBP", lossless=True),
        "webp-animated": written(small, "WEBP", save_all=True, append_images=[small.rotate(9)] * 3),
        "gif": written(photo, "GIF"),
        "gif-animated": written(small, "GIF", save_all=True, append_images=[small.rotate(9)] * 3, transparency=3),
        "bmp": written(photo, "BMP"),
        "bmp-palette": written(palette, "BMP"),
        "bmp-one-bit": written(photo.convert("1"), "BMP"),
        "tiff": written(photo, "TIFF"),
        "tiff-lzw": written(photo, "TIFF", compression="tiff_lzw"),
        "tiff-deflate-cmyk": written(photo.convert("CMYK"), "TIFF", compression="tiff_adobe_deflate"),
        "tiff-jpeg": written(photo, "TIFF", compression="jpeg"),
        "tiff-grey-16-bit": written(grey16, "TIFF"),
        "tiff-pages": written(small, "TIFF", save_all=True, append_images=[small] * 3),
        "one-pixel": written(Image.new("RGB", (1, 1)), "PNG"),
        "thin": written(Image.new("RGB", (1, 65_000)), "PNG"),
        "flat": written(Image.new("L", (65_000, 1)), "JPEG"),
    }


def foreign(photo: Image.Image) -> dict[str, bytes]:
    """Formats that are refused, by name; what wraps a picture that would be read is no picture."""
    jpeg, zipped = written(photo, "JPEG"), io.BytesIO()
    with zipfile.ZipFile(zipped, "w") as archive:
        archive.writestr("photo.jpg", jpeg)
    refused = {
        "zip": zipped.getvalue(),
        "pdf": b"%PDF-1.7\n1 0 obj<</Type/XObject/Filter/DCTDecode>>stream\n" + jpeg + b"\nendstream endobj\n%%EOF\n",
        "svg": b"<svg xmlns='http://www.w3.org/2000/svg'><image href='file:///etc/hostname'/></svg>",
        "svg-entity": b"<?xml version='1.0'?><!DOCTYPE svg [<!ENTITY a SYSTEM 'file:///etc/hostname'>]><svg>&a;</svg>",
        "html": b"<html><script>1</script></html>",
        "ico": written(photo.resize((32, 32)), "ICO"),
        "ppm": written(photo.resize((32, 32)), "PPM"),
        "eps": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n(/etc/hostname) (r) file\n",
        "mp4": struct.pack(">I", 24) + b"ftypisom" + bytes(200),
        "text": b"This is no picture.\n",
    }
    if features.check("avif"):
        refused["avif"] = written(photo, "AVIF")
    return refused


def polyglots(photo: Image.Image) -> dict[str, bytes]:
    """Pictures that are something else too; they are read as pictures."""
    jpeg, gif = written(photo, "JPEG"), written(photo, "GIF")
    other = foreign(photo)
    return {
        "jpeg-and-zip": jpeg + other["zip"],
        "jpeg-and-pdf": jpeg + other["pdf"],
        "jpeg-and-html": jpeg[:2] + b"\xff\xfe" + struct.pack(">H", 2 + len(other["html"])) + other["html"] + jpeg[2:],
        "gif-and-svg": gif + other["svg"],
        "png-and-zip": written(photo, "PNG") + other["zip"],
    }

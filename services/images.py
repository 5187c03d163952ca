"""Bytes → RGB, and squares cut out of it.

`decode` gives the upright picture `[height, width, 3] uint8`; whatever it cannot give exactly is a `MienError`, never
a half-grey picture, and a picture too large is refused from its header, before any pixel is unpacked.
`cut` gives a square of it at any size. Used by detection and the gateway; both are pure and may run in any thread.
"""

from __future__ import annotations

import io
import math
import warnings
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError
from PIL.TiffImagePlugin import TiffImageFile

from services.domain import RGB, Square
from services.errors import Kind, MienError

warnings.filterwarnings("ignore", module=r"PIL\.")  # it remarks on every odd tag of every upload

FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "TIFF", "GIF")
ACCEPTED = "JPEG, PNG, WebP, BMP, TIFF or GIF"
MATTE = (128, 128, 128)  # under transparent pixels: mid-grey is the least wrong guess for light and dark subjects

_ORIENTATION_TAG = 0x0112
_BITS_TAG, _PHOTOMETRIC_TAG, _WHITE_IS_ZERO = 0x0102, 0x0106, 0  # of TIFF
_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_SIXTEEN_BIT = ("I;16", "I;16L", "I;16B", "I;16N")
_READABLE = ("1", "L", "LA", "La", "P", "PA", "RGB", "RGBA", "RGBa", "RGBX", "CMYK", "YCbCr")
_SUPPORTED_STARTS = (b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"BM", b"II*\0", b"MM\0*", b"GIF87a", b"GIF89a")
# (offset, bytes, name): formats that people send and that are named in the refusal.
_UNSUPPORTED_STARTS = (
    (4, b"ftypavif", "AVIF"), (4, b"ftypavis", "AVIF"),
    (4, b"ftyphei", "HEIC"), (4, b"ftyphev", "HEIC"), (4, b"ftypmif1", "HEIC"), (4, b"ftypmsf1", "HEIC"),
    (4, b"ftyp", "video"), (0, b"\x1a\x45\xdf\xa3", "video"),
    (0, b"%PDF", "PDF"), (0, b"8BPS", "Photoshop"), (0, b"\0\0\0\x0cJXL ", "JPEG XL"), (0, b"\xff\x0a", "JPEG XL"),
    (0, b"\0\0\0\x0cjP  ", "JPEG 2000"), (0, b"\xff\x4f\xff\x51", "JPEG 2000"), (0, b"\0\0\1\0", "ICO"),
    (0, b"P5\n", "PNM"), (0, b"P6\n", "PNM"), (0, b"qoif", "QOI"), (0, b"v/1\1", "OpenEXR"), (0, b"DDS ", "DDS"),
)  # fmt: skip
_SVG_WINDOW_BYTES = 1024
_GRID_PX = 2048  # side of the finest grid that `cut` samples


@dataclass(frozen=True, slots=True)
class ImageLimits:
    """What may be decoded at most; a picture of 40 million pixels takes about 300 MB while it is read."""

    max_bytes: int = 10 * 1024 * 1024
    max_pixels: int = 40_000_000


def decode(data: bytes, limits: ImageLimits | None = None) -> RGB:
    """Read the picture, or the first frame of it, upright.

    EXIF orientation is applied; grey, 16-bit grey, palette and CMYK become RGB; transparency is laid over mid-grey.

    Raises:
        MienError: MISSING_IMAGE, TOO_MANY_BYTES, TOO_MANY_PIXELS, UNSUPPORTED_FORMAT, TRUNCATED_IMAGE, NOT_AN_IMAGE.
    """
    limits = limits or ImageLimits()
    if not data:
        raise MienError(Kind.MISSING_IMAGE, "The image is empty; send the bytes of a picture.", field="image")
    if len(data) > limits.max_bytes:
        raise _error(Kind.TOO_MANY_BYTES, f"The image has {len(data):,} bytes; at most {limits.max_bytes:,} are read.")
    # The bytes are hostile: Pillow answers damage with OSError, SyntaxError, ValueError, struct.error and more, and
    # which one says nothing. So every exception here is the picture's fault, except that memory ran out.
    try:
        picture = Image.open(io.BytesIO(data), formats=FORMATS)
    except MemoryError:
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as bomb:
        raise _error(Kind.TOO_MANY_PIXELS, f"At most {limits.max_pixels:,} pixels are read; make it smaller.") from bomb
    except Exception as error:
        raise _unreadable(data, error) from error
    with picture:
        width, height = picture.size
        if width * height > limits.max_pixels:
            raise _error(
                Kind.TOO_MANY_PIXELS,
                f"The image is {width} x {height}; at most {limits.max_pixels:,} pixels are read. Make it smaller.",
            )
        try:
            picture.load()
        except MemoryError:
            raise
        except Exception as error:
            raise _damaged() from error
        return _upright_rgb(picture)


def cut(image: RGB, square: Square, side_px: int) -> RGB:
    """The square, resampled to `[side_px, side_px, 3] uint8`.

    Averages areas when it shrinks, interpolates linearly when it enlarges, and repeats the picture's border beyond it.

    Raises:
        ValueError: `square.side` or `side_px` is not positive.
    """
    if not (square.side > 0 and side_px > 0 and math.isfinite(square.side + square.centre_x + square.centre_y)):
        raise ValueError(f"cannot cut {square} at {side_px} px")
    step = square.side / side_px
    # Sample on a grid at least as fine as the source, then average whole cells of it. What a very large square covers
    # is reduced before, so that the grid stays small.
    reduction = math.ceil(square.side / max(_GRID_PX, side_px))
    cells = max(1, math.ceil(step / reduction - 1e-6))
    region, left, top = covered(image, square, margin=reduction + 1)
    if reduction > 1:
        region = _reduced(region, reduction)

    grid = side_px * cells
    roll, spacing = math.radians(square.roll_deg), square.side / reduction / grid
    cos, sin = math.cos(roll) * spacing, math.sin(roll) * spacing
    middle = (grid - 1) / 2  # pixel centres stand at whole numbers, in the grid and in the region
    x = (square.centre_x - left) / reduction - 0.5 - middle * (cos - sin)
    y = (square.centre_y - top) / reduction - 0.5 - middle * (sin + cos)
    from_grid = np.array([[cos, -sin, x], [sin, cos, y]])
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    samples = cv2.warpAffine(region, from_grid, (grid, grid), flags=flags, borderMode=cv2.BORDER_REPLICATE)
    if cells > 1:
        samples = cv2.resize(samples, (side_px, side_px), interpolation=cv2.INTER_AREA)
    return samples.astype(np.uint8, copy=False)


def read_square(data: bytes, limits: ImageLimits, side_px: int) -> RGB:
    """A picture that is one face already, `[side_px, side_px, 3] uint8`: whole and unsqueezed, the shorter side made as
    long as the longer one by repeating the border.

    Raises:
        MienError: as `decode`.
    """
    image = decode(data, limits)
    height, width = image.shape[:2]
    return cut(image, Square(width / 2, height / 2, max(width, height)), side_px)


def covered(image: RGB, square: Square, margin: int) -> tuple[RGB, int, int]:
    """The part of the picture under the square (at least one pixel), not copied, and its left and top in pixels."""
    height, width = image.shape[:2]
    roll = math.radians(square.roll_deg)
    reach = square.side / 2 * (abs(math.cos(roll)) + abs(math.sin(roll)))
    spans = []
    for centre, length in ((square.centre_x, width), (square.centre_y, height)):
        first = min(max(math.floor(centre - reach) - margin, 0), length - 1)
        spans.append((first, min(max(math.ceil(centre + reach) + margin, first + 1), length)))
    (left, right), (top, bottom) = spans
    return image[top:bottom, left:right], left, top


def _reduced(region: RGB, factor: int) -> RGB:
    """Means of `factor` x `factor` pixels.

    What is thinner than that is shortened first: repeated to a cell's breadth at its full length, a strip of a million
    pixels would be a gigabyte.
    """
    height, width = region.shape[:2]
    if height < factor < width:
        return _means(_means(region, 1, factor), factor, 1)
    if width < factor < height:
        return _means(_means(region, factor, 1), 1, factor)
    return _means(region, factor, factor)


def _means(region: RGB, down: int, across: int) -> RGB:
    """Means of `down` x `across` pixels; the border is repeated to whole cells, because only those are fast."""
    height, width = region.shape[:2]
    whole = cv2.copyMakeBorder(region, 0, -height % down, 0, -width % across, cv2.BORDER_REPLICATE)
    size = (whole.shape[1] // across, whole.shape[0] // down)
    return cv2.resize(whole, size, interpolation=cv2.INTER_AREA).astype(np.uint8, copy=False)


def _upright_rgb(picture: Image.Image) -> RGB:
    """A loaded picture of any readable mode → RGB, with its EXIF orientation applied."""
    try:
        orientation = picture.getexif().get(_ORIENTATION_TAG, 1)
    except Exception:  # damaged metadata around sound pixels: show them as they are stored
        orientation = 1
    flat: Image.Image
    if picture.mode in _SIXTEEN_BIT:
        flat = Image.fromarray(_eight_bits(picture)).convert("RGB")
    elif picture.mode not in _READABLE:
        raise _error(Kind.UNSUPPORTED_FORMAT, "The image's pixel type is not read; save it with 8 bits per channel.")
    elif picture.has_transparency_data:
        seen = picture.convert("RGBA")
        flat = Image.new("RGB", seen.size, MATTE)
        flat.paste(seen, mask=seen)
    else:
        flat = picture.convert("RGB")
    if orientation in _UPRIGHT:
        flat = flat.transpose(_UPRIGHT[orientation])
    return np.array(flat, dtype=np.uint8)


def _eight_bits(picture: Image.Image) -> NDArray[np.uint8]:
    """Grey of up to 16 bits, 0 black. A TIFF may have 12 bits, or its white at 0; Pillow tells neither by the mode."""
    tags = picture.tag_v2 if isinstance(picture, TiffImageFile) else {}
    bits = int(tags.get(_BITS_TAG, (16,))[0])
    white = (1 << bits) - 1
    grey = np.asarray(picture).astype(np.uint32)
    if tags.get(_PHOTOMETRIC_TAG) == _WHITE_IS_ZERO:
        grey = white - grey
    return ((grey * 255 + white // 2) // white).astype(np.uint8)


def _unreadable(data: bytes, error: Exception) -> MienError:
    """Why a picture could not even be opened."""
    head = data[:_SVG_WINDOW_BYTES]
    supported = head.startswith(_SUPPORTED_STARTS) or (head[:4] == b"RIFF" and head[8:12] == b"WEBP")
    if supported or not isinstance(error, UnidentifiedImageError):
        return _damaged()
    for offset, start, name in _UNSUPPORTED_STARTS:
        if head.startswith(start, offset):
            return _error(Kind.UNSUPPORTED_FORMAT, f"{name} is not supported; send {ACCEPTED}.")
    if b"<svg" in head.lower():
        return _error(Kind.UNSUPPORTED_FORMAT, f"SVG is not supported; send {ACCEPTED}.")
    return _error(Kind.NOT_AN_IMAGE, f"The data is not an image; send {ACCEPTED}.")


def _damaged() -> MienError:
    return _error(Kind.TRUNCATED_IMAGE, "The image is truncated or damaged; send the whole file.")


def _error(kind: Kind, detail: str) -> MienError:
    return MienError(kind, detail, field="image")

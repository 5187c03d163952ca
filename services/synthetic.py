"""Generated pictures → files that say that they are synthetic.

Every file names its digital source type, IPTC's word for a photo of which a trained model repainted a part, and the
software: PNG in text chunks and XMP, JPEG and WebP in EXIF and XMP, GIF in its comment, an archive in each of its
pictures and its index. Nothing of the original's metadata (camera, place, owner) is carried over: files are made from
pixels alone. Pure; may run in any thread.

Source: IPTC, "Digital Source Type" NewsCodes, and Photo Metadata Standard 2023.1 (Iptc4xmpExt:DigitalSourceType).
"""

from __future__ import annotations

import io
import json
import math
import zipfile
from collections.abc import Iterable, Mapping, Sequence

from PIL import Image
from PIL.PngImagePlugin import PngInfo

from services.domain import RGB
from services.errors import Kind, MienError

DIGITAL_SOURCE_TYPE = "http://cv.iptc.org/newscodes/digitalsourcetype/compositeWithTrainedAlgorithmicMedia"
SOFTWARE = "Mien"
QUALITY = 92  # of JPEG and WebP, in per cent
MEDIA_TYPES = {
    "png": "image/png",
    "jpeg": "image/jpeg",
    "webp": "image/webp",
    "gif": "image/gif",
    "zip": "application/zip",
}

_FRAME_MS = 150
_MOST_PX = {"jpeg": 65500, "webp": 16383, "gif": 65535}  # a side, as the formats or their libraries allow
_EXIF_DESCRIPTION, _EXIF_SOFTWARE = 0x010E, 0x0131
_XMP = (
    '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>'
    '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
    '<rdf:Description rdf:about="" xmlns:Iptc4xmpExt="http://iptc.org/std/Iptc4xmpExt/2008-02-29/"'
    ' xmlns:xmp="http://ns.adobe.com/xap/1.0/"'
    f' Iptc4xmpExt:DigitalSourceType="{DIGITAL_SOURCE_TYPE}" xmp:CreatorTool="{SOFTWARE}"/>'
    '</rdf:RDF></x:xmpmeta><?xpacket end="r"?>'
).encode()


def picture(image: RGB, form: str, quality: int = QUALITY) -> bytes:
    """One picture `[height, width, 3] uint8` as "png" or "jpeg"; `quality` is JPEG's, in per cent.

    Raises:
        MienError: TOO_MANY_PIXELS, a side is longer than the format allows.
    """
    return _saved([image], form, quality)


def animation(frames: Sequence[RGB], form: str) -> bytes:
    """Frames of one size as an endless "webp" or "gif".

    Raises:
        MienError: TOO_MANY_PIXELS, a side is longer than the format allows.
    """
    return _saved(frames, form)


def archive(frames: Iterable[RGB], index: Mapping[str, object]) -> bytes:
    """A zip with `frame_01.png` and so on, and `frames.json`: `index` with the mark."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as file:  # PNGs do not shrink any more
        for number, frame in enumerate(frames, 1):
            file.writestr(_entry(frame_name(number)), picture(frame, "png"))
        marked = {"digital_source_type": DIGITAL_SOURCE_TYPE, "software": SOFTWARE, **index}
        file.writestr(_entry("frames.json"), json.dumps(marked, indent=1))
    return buffer.getvalue()


def _entry(name: str) -> zipfile.ZipInfo:
    """Without the time of day, so that the same pictures are the same file."""
    return zipfile.ZipInfo(name)


def frame_name(number: int) -> str:
    """The file's name in an archive, from 1."""
    return f"frame_{number:02}.png"


def _saved(frames: Sequence[RGB], form: str, quality: int = QUALITY) -> bytes:
    if max(frames[0].shape[:2]) > _MOST_PX.get(form, math.inf):
        raise MienError(
            Kind.TOO_MANY_PIXELS,
            f"A picture as {form} has at most {_MOST_PX[form]:,} pixels a side. Ask for another format, or make the "
            "image smaller.",
            field="image",
        )
    first, *others = [Image.fromarray(frame) for frame in frames]
    buffer = io.BytesIO()
    moving = {"save_all": True, "append_images": others, "duration": _FRAME_MS, "loop": 0}
    match form:
        case "png":
            first.save(buffer, "PNG", pnginfo=_png_texts())
        case "jpeg":
            first.save(buffer, "JPEG", quality=quality, exif=_exif(), xmp=_XMP)
        case "webp":
            first.save(buffer, "WEBP", quality=quality, exif=_exif().tobytes(), xmp=_XMP, **moving)
        case "gif":
            mark = f"DigitalSourceType={DIGITAL_SOURCE_TYPE} Software={SOFTWARE}"
            first.save(buffer, "GIF", comment=mark.encode(), **moving)
        case _:
            raise ValueError(f"no pictures are written as {form!r}")
    return buffer.getvalue()


def _png_texts() -> PngInfo:
    texts = PngInfo()
    texts.add_text("DigitalSourceType", DIGITAL_SOURCE_TYPE)
    texts.add_text("Software", SOFTWARE)
    texts.add_itxt("XML:com.adobe.xmp", _XMP.decode())
    return texts


def _exif() -> Image.Exif:
    exif = Image.Exif()
    exif[_EXIF_DESCRIPTION] = f"DigitalSourceType={DIGITAL_SOURCE_TYPE}"  # EXIF has no field of its own for it
    exif[_EXIF_SOFTWARE] = SOFTWARE
    return exif

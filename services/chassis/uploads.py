"""The picture of a REST request, in any of three forms, held in memory only; and the fields that stand beside it.

`multipart/form-data` with a field `image`, a raw body with an image content type, or JSON `{"image": "<base64>"}`.
Other form fields and members of the JSON object are a call's parameters, where the call takes them from the body.
The size cap holds while the body arrives, so an endless body costs no more than one that is just allowed.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass, field

from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import ClientDisconnect, Request

from services.errors import Kind, MienError

_OVERHEAD_BYTES = 16 * 1024  # multipart headers and boundaries, JSON's braces

OPENAPI_BODY = {
    "requestBody": {
        "required": True,
        "description": "The picture: JPEG, PNG, WebP, BMP, TIFF or GIF (first frame).",
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["image"],
                    "properties": {"image": {"type": "string", "format": "binary"}},
                }
            },
            "image/*": {"schema": {"type": "string", "format": "binary"}},
            "application/json": {
                "schema": {
                    "type": "object",
                    "required": ["image"],
                    "properties": {"image": {"type": "string", "format": "byte", "description": "base64"}},
                }
            },
        },
    }
}


class _InMemory(MultiPartParser):
    """Starlette's parser writes larger files to disk; a caller's picture never goes there."""

    spool_max_size = 1 << 40


@dataclass(frozen=True, slots=True)
class Upload:
    """A request's body.

    Attributes:
        image: the picture's bytes.
        fields: all else, as text; a JSON member that is no string as JSON.
    """

    image: bytes
    fields: Mapping[str, str] = field(default_factory=dict)


async def read_image(request: Request, max_bytes: int) -> bytes:
    """The picture's bytes, at most `max_bytes`, of a call whose parameters stand in the query alone.

    Raises:
        MienError: as `read_upload`, or BAD_PARAMETER, the JSON has more than the picture.
    """
    return (await read_upload(request, max_bytes, image_only=True)).image


async def read_upload(request: Request, max_bytes: int, *, image_only: bool = False) -> Upload:
    """The picture, at most `max_bytes`, and the fields beside it.

    Args:
        image_only: whether a JSON body may have nothing but the picture.

    Raises:
        MienError: TOO_MANY_BYTES, MISSING_IMAGE, MALFORMED_REQUEST, UNSUPPORTED_MEDIA_TYPE, CANCELLED, BAD_PARAMETER.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    try:
        if kind == "multipart/form-data":
            upload = await _multipart(request, max_bytes)
        elif kind == "application/json":
            upload = _json(await _body(request, max_bytes * 4 // 3 + _OVERHEAD_BYTES, max_bytes), image_only)
        elif kind.startswith("image/") or kind == "application/octet-stream":
            upload = Upload(await _body(request, max_bytes, max_bytes))
        else:
            raise MienError(
                Kind.UNSUPPORTED_MEDIA_TYPE,
                "Send multipart/form-data with a field 'image', a body with an image content type, "
                "or application/json with the picture as base64 in 'image'.",
            )
    except ClientDisconnect:
        raise MienError(Kind.CANCELLED, "The caller hung up.") from None
    if not upload.image:
        raise MienError(Kind.MISSING_IMAGE, "The picture has no bytes.", field="image")
    if len(upload.image) > max_bytes:
        raise _too_many(max_bytes)
    return upload


def _too_many(max_bytes: int) -> MienError:
    return MienError(
        Kind.TOO_MANY_BYTES, f"A picture may have at most {max_bytes} bytes; send a smaller one.", field="image"
    )


async def _chunks(request: Request, limit: int, max_bytes: int) -> AsyncGenerator[bytes, None]:
    declared = request.headers.get("content-length", "")
    if declared.isdigit() and int(declared) > limit:
        raise _too_many(max_bytes)
    received = 0
    async for chunk in request.stream():
        received += len(chunk)
        if received > limit:
            raise _too_many(max_bytes)
        yield chunk


async def _body(request: Request, limit: int, max_bytes: int) -> bytes:
    return b"".join([chunk async for chunk in _chunks(request, limit, max_bytes)])


async def _multipart(request: Request, max_bytes: int) -> Upload:
    chunks = _chunks(request, max_bytes + _OVERHEAD_BYTES, max_bytes)
    try:
        # a generator of ours, closed here, so that an error inside does not leave it half read
        form = await _InMemory(request.headers, chunks, max_files=4, max_fields=16, max_part_size=4096).parse()
    except MultiPartException:
        raise MienError(Kind.MALFORMED_REQUEST, "The multipart body could not be read.") from None
    except (KeyError, ValueError, UnicodeDecodeError):
        raise MienError(Kind.MALFORMED_REQUEST, "The multipart body has no valid boundary or field names.") from None
    try:
        images = form.getlist("image")
        if len(images) != 1:
            raise MienError(Kind.MISSING_IMAGE, "Send exactly one file in the form field 'image'.", field="image")
        if not isinstance(images[0], UploadFile):
            raise MienError(Kind.MISSING_IMAGE, "The form field 'image' must be a file, not text.", field="image")
        fields = {name: value for name, value in form.multi_items() if isinstance(value, str)}
        return Upload(await images[0].read(), fields)
    finally:
        await form.close()


def _json(body: bytes, image_only: bool) -> Upload:
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        raise MienError(Kind.MALFORMED_REQUEST, "The body is not valid JSON.") from None
    text = document.get("image") if isinstance(document, dict) else None
    if not isinstance(text, str):
        raise MienError(Kind.MISSING_IMAGE, 'The JSON body must be {"image": "<base64>"}.', field="image")
    fields = {
        str(key): value if isinstance(value, str) else json.dumps(value)
        for key, value in document.items()
        if key != "image"
    }
    if fields and image_only:
        raise MienError(
            Kind.BAD_PARAMETER,
            "The JSON body takes only 'image'; options go into the query.",
            field=min(fields)[:64],
        )
    try:
        return Upload(base64.b64decode(text, validate=True), fields)
    except (binascii.Error, ValueError):
        raise MienError(Kind.MALFORMED_REQUEST, "'image' is not valid base64.", field="image") from None

"""The picture of a REST request, in any of three forms, held in memory only; and the fields that stand beside it.

`multipart/form-data` with a field `image` (one or more of them where a call takes several pictures), a raw body with an
image content type, or JSON `{"image": "<base64>"}`. Other form fields and members of the JSON object are a call's
parameters, where the call takes them from the body.
The size cap holds while the body arrives, so an endless body costs no more than one that is just allowed.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import AsyncGenerator, Mapping
from copy import deepcopy
from dataclasses import dataclass, field
from itertools import chain
from typing import Any

from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import ClientDisconnect, Request

from services.errors import Kind, MienError

_OVERHEAD_BYTES = 16 * 1024  # multipart headers and boundaries, JSON's braces
_PART_BYTES = 1024  # the same, of each further picture of a form
_MOST_MEMBERS = 128  # of a JSON body, and of all that is in it; the calls' parameters are a dozen
_OTHER_FILES = 4  # a form of one picture may hold files that nobody asked for
_TOO_MANY_BYTES = "A picture may have at most {} bytes; send a smaller one."
_TOO_MANY_IN_ALL = "The pictures of a form may have at most {} bytes in all; send fewer or smaller ones."

OPENAPI_BODY: dict[str, Any] = {
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


def openapi_several(most: int) -> dict[str, Any]:
    """`OPENAPI_BODY` of a call that takes up to `most` pictures in a form."""
    body = deepcopy(OPENAPI_BODY)
    form = body["requestBody"]["content"]["multipart/form-data"]["schema"]
    form["properties"]["image"] = {
        "type": "array",
        "items": {"type": "string", "format": "binary"},
        "minItems": 1,
        "maxItems": most,
        "description": "one field `image` for each picture",
    }
    return body


class _InMemory(MultiPartParser):
    """Starlette's parser writes larger files to disk; a caller's picture never goes there."""

    spool_max_size = 1 << 40

    @property
    def too_many_files(self) -> bool:
        """Whether that is why it gave up."""
        return self._current_files > self.max_files


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
        MienError: as `read_upload`, or BAD_PARAMETER, the body has more than the picture.
    """
    return (await read_upload(request, max_bytes, image_only=True)).image


@dataclass(frozen=True, slots=True)
class FormLimits:
    """Of a form with several pictures: how many, and the bytes of all of them, at least those of one."""

    images: int
    bytes: int


async def read_images(request: Request, max_bytes: int, limits: FormLimits) -> list[bytes]:
    """The pictures of a form, in its order; a body of another kind has one. A single one is checked as `read_image`
    does; of several, each is still to be checked (`check_size`), as the failure of one is not that of the others.

    Raises:
        MienError: as `read_image`, or TOO_MANY_IMAGES.
    """
    if _kind(request) != "multipart/form-data":
        return [await read_image(request, max_bytes)]
    try:
        images, fields = await _form(request, limits.bytes, limits)
    except ClientDisconnect:
        raise MienError(Kind.CANCELLED, "The caller hung up.") from None
    _refuse(fields)
    if len(images) == 1:
        check_size(images[0], max_bytes)
    return images


def check_size(image: bytes, max_bytes: int) -> None:
    """That it has any bytes, and not too many.

    Raises:
        MienError: MISSING_IMAGE, TOO_MANY_BYTES.
    """
    if not image:
        raise MienError(Kind.MISSING_IMAGE, "The picture has no bytes.", field="image")
    if len(image) > max_bytes:
        raise MienError(Kind.TOO_MANY_BYTES, _TOO_MANY_BYTES.format(max_bytes), field="image")


async def read_upload(request: Request, max_bytes: int, *, image_only: bool = False) -> Upload:
    """The picture, at most `max_bytes`, and the fields beside it.

    Args:
        image_only: whether the body may have nothing but the picture.

    Raises:
        MienError: TOO_MANY_BYTES, MISSING_IMAGE, MALFORMED_REQUEST, UNSUPPORTED_MEDIA_TYPE, CANCELLED, BAD_PARAMETER.
    """
    kind = _kind(request)
    try:
        if kind == "multipart/form-data":
            images, fields = await _form(request, max_bytes)
            upload = Upload(images[0], fields)
        elif kind == "application/json":
            upload = _json(await _body(request, max_bytes * 4 // 3 + _OVERHEAD_BYTES, max_bytes))
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
    if image_only:
        _refuse(upload.fields)
    check_size(upload.image, max_bytes)
    return upload


def _refuse(fields: Mapping[str, str]) -> None:
    """An option that stands where it has no effect is told, not overlooked."""
    if fields:
        detail = "Beside 'image' the body takes nothing; options go into the query."
        raise MienError(Kind.BAD_PARAMETER, detail, field=min(fields)[:64])


def _kind(request: Request) -> str:
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


async def _chunks(request: Request, limit: int, refusal: str) -> AsyncGenerator[bytes, None]:
    too_many = MienError(Kind.TOO_MANY_BYTES, refusal, field="image")
    declared = request.headers.get("content-length", "")
    if declared.isdigit() and int(declared) > limit:
        raise too_many
    received = 0
    async for chunk in request.stream():
        received += len(chunk)
        if received > limit:
            raise too_many
        yield chunk


async def _body(request: Request, limit: int, max_bytes: int) -> bytes:
    return b"".join([chunk async for chunk in _chunks(request, limit, _TOO_MANY_BYTES.format(max_bytes))])


async def _form(
    request: Request, max_bytes: int, several: FormLimits | None = None
) -> tuple[list[bytes], Mapping[str, str]]:
    """The pictures, exactly one unless `several` are allowed, of at most `max_bytes` together; the fields beside them.

    Raises:
        MienError: TOO_MANY_BYTES, TOO_MANY_IMAGES, MALFORMED_REQUEST, MISSING_IMAGE.
        ClientDisconnect: the caller hung up.
    """
    refusal = _TOO_MANY_IN_ALL if several else _TOO_MANY_BYTES
    most = several.images if several else _OTHER_FILES
    chunks = _chunks(request, max_bytes + _OVERHEAD_BYTES + most * _PART_BYTES, refusal.format(max_bytes))
    parser = _InMemory(request.headers, chunks, max_files=most, max_fields=16, max_part_size=4096)
    try:
        # a generator of ours, closed here, so that an error inside does not leave it half read
        form = await parser.parse()
    except MultiPartException:
        if several and parser.too_many_files:
            raise MienError(
                Kind.TOO_MANY_IMAGES, f"A form may have at most {most} pictures; send the others in another."
            ) from None
        raise MienError(Kind.MALFORMED_REQUEST, "The multipart body could not be read.") from None
    except (KeyError, ValueError, UnicodeDecodeError):
        raise MienError(Kind.MALFORMED_REQUEST, "The multipart body has no valid boundary or field names.") from None
    try:
        images = form.getlist("image")
        if not images or (len(images) > 1 and not several):
            raise MienError(Kind.MISSING_IMAGE, "Send exactly one file in the form field 'image'.", field="image")
        files = [image for image in images if isinstance(image, UploadFile)]
        if len(files) < len(images):
            raise MienError(Kind.MISSING_IMAGE, "The form field 'image' must be a file, not text.", field="image")
        fields = {name: value for name, value in form.multi_items() if isinstance(value, str)}
        return [await file.read() for file in files], fields
    finally:
        await form.close()


def _json(body: bytes) -> Upload:
    # Before it is read: lists of lists take a hundred times their bytes. Base64 has none of these signs.
    if sum(body.count(sign) for sign in (b",", b"[", b"{")) > _MOST_MEMBERS:
        raise MienError(Kind.MALFORMED_REQUEST, 'The JSON body must be {"image": "<base64>"} and a few parameters.')
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
    try:
        "".join(chain.from_iterable(fields.items())).encode()
    except UnicodeEncodeError:  # half of a character, "\ud800"
        raise MienError(Kind.MALFORMED_REQUEST, "The JSON body has text that is not Unicode.") from None
    try:
        return Upload(base64.b64decode(text, validate=True), fields)
    except (binascii.Error, ValueError):
        raise MienError(Kind.MALFORMED_REQUEST, "'image' is not valid base64.", field="image") from None

"""Every way in which a request can fail: one table, kind → HTTP status, gRPC code, retryable.

Code raises `MienError(kind, sentence)`; the sentence says what to do and is the only text that leaves the process.
Any other exception is a defect: it is logged, and the caller gets `Kind.INTERNAL` without its text.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from enum import StrEnum


class Kind(StrEnum):
    """Stable codes: the `code` of a problem+json answer and the `reason` of a gRPC ErrorInfo."""

    NOT_AN_IMAGE = "not_an_image"
    TRUNCATED_IMAGE = "truncated_image"
    UNSUPPORTED_FORMAT = "unsupported_format"
    TOO_MANY_BYTES = "too_many_bytes"
    TOO_MANY_PIXELS = "too_many_pixels"
    TOO_MANY_IMAGES = "too_many_images"
    MALFORMED_REQUEST = "malformed_request"
    MISSING_IMAGE = "missing_image"
    BAD_PARAMETER = "bad_parameter"
    NO_FACE = "no_face"
    UNKNOWN_MODEL = "unknown_model"
    MODEL_REFUSED = "model_refused"
    NOT_FOUND = "not_found"
    METHOD_NOT_ALLOWED = "method_not_allowed"
    NOT_ACCEPTABLE = "not_acceptable"
    UNSUPPORTED_MEDIA_TYPE = "unsupported_media_type"
    SLOW_REQUEST = "slow_request"
    UNAUTHENTICATED = "unauthenticated"
    PERMISSION_DENIED = "permission_denied"
    RATE_EXCEEDED = "rate_exceeded"
    QUOTA_EXCEEDED = "quota_exceeded"
    QUEUE_FULL = "queue_full"
    DEADLINE_EXCEEDED = "deadline_exceeded"
    CANCELLED = "cancelled"
    NOT_READY = "not_ready"
    UNAVAILABLE = "unavailable"
    NOT_IMPLEMENTED = "not_implemented"
    INTERNAL = "internal"


@dataclass(frozen=True, slots=True)
class Row:
    """How a kind appears on each transport. `grpc` is the name of a `grpc.StatusCode`."""

    http: int
    grpc: str
    retryable: bool
    title: str


TABLE: dict[Kind, Row] = {
    Kind.NOT_AN_IMAGE: Row(400, "INVALID_ARGUMENT", False, "The data is not an image"),
    Kind.TRUNCATED_IMAGE: Row(400, "INVALID_ARGUMENT", False, "The image is truncated or damaged"),
    Kind.UNSUPPORTED_FORMAT: Row(415, "INVALID_ARGUMENT", False, "The image format is not supported"),
    Kind.TOO_MANY_BYTES: Row(413, "INVALID_ARGUMENT", False, "The image has too many bytes"),
    Kind.TOO_MANY_PIXELS: Row(413, "INVALID_ARGUMENT", False, "The image has too many pixels"),
    Kind.TOO_MANY_IMAGES: Row(413, "INVALID_ARGUMENT", False, "The request has too many images"),
    Kind.MALFORMED_REQUEST: Row(400, "INVALID_ARGUMENT", False, "The request is malformed"),
    Kind.MISSING_IMAGE: Row(422, "INVALID_ARGUMENT", False, "The request has no image"),
    Kind.BAD_PARAMETER: Row(422, "INVALID_ARGUMENT", False, "A parameter is not valid"),
    Kind.NO_FACE: Row(422, "INVALID_ARGUMENT", False, "There is no face that can be changed"),
    Kind.UNKNOWN_MODEL: Row(404, "NOT_FOUND", False, "There is no such model"),
    Kind.MODEL_REFUSED: Row(409, "FAILED_PRECONDITION", False, "The model cannot be served so"),
    Kind.NOT_FOUND: Row(404, "NOT_FOUND", False, "There is no such page"),
    Kind.METHOD_NOT_ALLOWED: Row(405, "UNIMPLEMENTED", False, "The method is not allowed here"),
    Kind.NOT_ACCEPTABLE: Row(406, "INVALID_ARGUMENT", False, "The answer is not offered in that format"),
    Kind.UNSUPPORTED_MEDIA_TYPE: Row(415, "INVALID_ARGUMENT", False, "The content type is not supported"),
    Kind.SLOW_REQUEST: Row(408, "DEADLINE_EXCEEDED", True, "The request did not come in time"),
    Kind.UNAUTHENTICATED: Row(401, "UNAUTHENTICATED", False, "The caller has no key that is taken here"),
    Kind.PERMISSION_DENIED: Row(403, "PERMISSION_DENIED", False, "The caller may not do this"),
    Kind.RATE_EXCEEDED: Row(429, "RESOURCE_EXHAUSTED", True, "The key's rate is used up"),
    Kind.QUOTA_EXCEEDED: Row(429, "RESOURCE_EXHAUSTED", True, "The key has too many calls in work"),
    Kind.QUEUE_FULL: Row(429, "RESOURCE_EXHAUSTED", True, "Too many requests are waiting"),
    Kind.DEADLINE_EXCEEDED: Row(504, "DEADLINE_EXCEEDED", True, "The deadline has passed"),
    Kind.CANCELLED: Row(499, "CANCELLED", False, "The caller hung up"),
    Kind.NOT_READY: Row(503, "UNAVAILABLE", True, "The service is starting or stopping"),
    Kind.UNAVAILABLE: Row(503, "UNAVAILABLE", True, "A service or model behind this one is not available"),
    Kind.NOT_IMPLEMENTED: Row(501, "UNIMPLEMENTED", False, "Not installed here"),
    Kind.INTERNAL: Row(500, "INTERNAL", False, "An internal error"),
}

NO_SUCH_MODEL = "There is no such model; GET /v1/models or ListModels names those there are."
NO_GENERATOR = (
    "No expression generator is installed here. Put an expression_generator into the model repository and restart."
)


class MienError(Exception):
    """A failure that the caller may know about.

    Attributes:
        kind: its row in `TABLE`.
        detail: one sentence for the caller, what is wrong and what to do; never a path, a key or internal text.
        field: the request field at fault, or empty.
        retry_after_s: when a retry may succeed; 0 where it will not, or nobody knows.
    """

    def __init__(self, kind: Kind, detail: str, *, field: str = "", retry_after_s: float = 0.0) -> None:
        super().__init__(detail)
        self.kind = kind
        self.detail = detail
        self.field = field
        self.retry_after_s = retry_after_s


def kind_of(error: BaseException) -> Kind:
    """What an exception comes to, for those who count."""
    if isinstance(error, MienError):
        return error.kind
    if isinstance(error, asyncio.CancelledError):
        return Kind.CANCELLED
    return Kind.DEADLINE_EXCEEDED if isinstance(error, TimeoutError) else Kind.INTERNAL

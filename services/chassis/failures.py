"""What a caller may know of an exception: the one place where a defect turns into an answer without its text."""

from __future__ import annotations

import logging

from services import calls
from services.errors import Kind, MienError

LOG = logging.getLogger("mien.failures")


def known(error: Exception) -> MienError:
    """A `MienError` as it is, a timeout as DEADLINE_EXCEEDED; anything else is logged and told as INTERNAL."""
    if isinstance(error, MienError):
        return error
    if isinstance(error, TimeoutError):
        return MienError(Kind.DEADLINE_EXCEEDED, "The answer was not ready in time.")
    LOG.error("a defect", exc_info=error, extra={"fields": {"request_id": calls.request_id()}})
    return MienError(Kind.INTERNAL, "Something went wrong on our side. Quote the request id when you report it.")

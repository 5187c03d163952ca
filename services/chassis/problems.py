"""Errors of the REST side: RFC 9457 `application/problem+json` with a stable `code` and the request id."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from services import calls, documents
from services.errors import Kind, MienError

_BY_STATUS = {404: Kind.NOT_FOUND, 405: Kind.METHOD_NOT_ALLOWED, 400: Kind.MALFORMED_REQUEST}


def problem(error: MienError) -> JSONResponse:
    """The answer for an error; with Retry-After where a later try may succeed."""
    document = documents.problem(error)
    headers = {"Cache-Control": "no-store"}
    if error.retry_after_s:
        headers["Retry-After"] = str(math.ceil(error.retry_after_s))
    if error.kind is Kind.UNAUTHENTICATED:
        headers["WWW-Authenticate"] = 'Bearer realm="mien"'
    calls.note(code=str(error.kind))
    return JSONResponse(
        document.model_dump(exclude_none=True), document.status, headers, media_type="application/problem+json"
    )


def install(app: FastAPI) -> None:
    """Answer every failure of `app` with a problem."""

    @app.exception_handler(MienError)
    async def _known(_: Request, error: MienError) -> JSONResponse:
        return problem(error)

    @app.exception_handler(RequestValidationError)
    async def _invalid(_: Request, error: RequestValidationError) -> JSONResponse:
        return problem(parameter_error(error.errors()))

    @app.exception_handler(HTTPException)
    async def _http(_: Request, error: HTTPException) -> JSONResponse:
        kind = _BY_STATUS.get(error.status_code, Kind.MALFORMED_REQUEST)
        detail = {
            Kind.NOT_FOUND: "There is nothing at this address; GET /docs lists what there is.",
            Kind.METHOD_NOT_ALLOWED: "This address takes another method; GET /docs says which.",
        }.get(kind, "The request could not be read.")
        response = problem(MienError(kind, detail))
        if error.headers and "allow" in {key.lower() for key in error.headers}:
            response.headers["Allow"] = error.headers.get("Allow", "")
        return response


def parameter_error(errors: Sequence[Mapping[str, object]]) -> MienError:
    """The first of pydantic's errors, as BAD_PARAMETER with the field's name."""
    first = errors[0] if errors else {}
    location = first.get("loc")
    name = str(location[-1]) if isinstance(location, tuple) and location else "parameter"
    if first.get("type") == "extra_forbidden":
        return MienError(
            Kind.BAD_PARAMETER, "There is no such parameter; GET /docs lists those there are.", field=name[:64]
        )
    message = str(first.get("msg", "is not valid")).removeprefix("Value error, ")
    return MienError(Kind.BAD_PARAMETER, f"{name[:64]}: {message}.", field=name[:64])

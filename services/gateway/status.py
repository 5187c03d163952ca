"""`/status`: the process as it is now, on a page that needs nothing from outside, and the JSON from which it draws."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Awaitable, Callable, Sequence
from importlib.resources import files

from fastapi import APIRouter, Response
from fastapi.responses import JSONResponse

from services.domain import Model
from services.errors import MienError
from services.gateway.history import History

Models = Callable[[], Awaitable[tuple[Model, ...]]]
Readiness = Callable[[], Awaitable[dict[str, bool]]]


def routes(history: History, readiness: Readiness, catalogues: Sequence[Models], version: str) -> APIRouter:
    """The page's routes; `catalogues` name the models that can be asked for."""
    router = APIRouter(tags=["operation"])
    page = (files("services.gateway") / "status.html").read_text("utf-8")
    headers = {"Content-Security-Policy": policy(page), "Cache-Control": "no-store", "Referrer-Policy": "no-referrer"}

    @router.get("/status", summary="The process as it is now, as a page", response_class=Response)
    async def status() -> Response:
        return Response(page, media_type="text/html", headers=headers)

    @router.get("/status.json", summary="What the page /status shows: the last five minutes of this process")
    async def document() -> JSONResponse:
        checks, served = await readiness(), dict.fromkeys(history.models(), "runs here")
        for models in catalogues:
            for one in await _known(models):
                served[one.model] = "answers by default" if one.default else "answers on request"
        body = history.document() | {
            "version": version,
            "checks": checks,
            "models": [{"name": model.name, "version": model.version, "note": note} for model, note in served.items()],
        }
        return JSONResponse(body, headers={"Cache-Control": "no-store"})

    return router


async def _known(models: Models) -> tuple[Model, ...]:
    """The models; none while the service that has them does not answer: the page must come even so."""
    try:
        return await models()
    except MienError:
        return ()


def policy(page: str) -> str:
    """A Content-Security-Policy that lets the page's own style and script run, and nothing else."""
    allowed = {
        tag: " ".join(
            f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
            for text in re.findall(rf"<{tag}>(.*?)</{tag}>", page, re.S)
        )
        for tag in ("style", "script")
    }
    return (
        f"default-src 'none'; style-src {allowed['style']}; script-src {allowed['script']}; connect-src 'self'; "
        "img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )

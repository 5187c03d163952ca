"""REST for operators, on a port of its own: which models there are, and load or let go one of their versions.

Whoever reaches it may change what is served. So it is for the machine itself or a private network, and no browser's:
a page that somebody looks at there could ask too, but says so in `Origin`.
"""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Depends, Request
from pydantic import ConfigDict, Field

from services.admin.keeper import Kept, ModelKeeper, State
from services.documents import Document
from services.errors import Kind, MienError

_NUMBER = Field(ge=1, le=2**31 - 1, description="a version folder's number")


class Load(Document):
    model_config = ConfigDict(extra="forbid")

    version: int | None = Field(None, ge=1, le=2**31 - 1, description="a version folder's number; none: the newest")


class Unload(Document):
    model_config = ConfigDict(extra="forbid")

    version: int = _NUMBER


class OnTrial(Document):
    version: int
    percent: float = Field(description="of the calls that it answers")


class AdminModel(Document):
    name: str
    state: State
    on_disk: list[int]
    loaded: list[int]
    answering: int
    canary: OnTrial | None = None
    shadow: int | None = None
    card: dict[str, Any]


class AdminModels(Document):
    models: list[AdminModel]


def routes(keeper: ModelKeeper) -> APIRouter:
    router = APIRouter(prefix="/v1/admin", tags=["admin"], dependencies=[Depends(_no_browser)])

    @router.get("/models", summary="The models, their versions, and which answers")
    async def models() -> AdminModels:
        return AdminModels(models=[_document(kept) for kept in keeper.models()])

    @router.post("/models/{name}/load", summary="Have a version answer, newer or older")
    async def load(name: str, wanted: Load | None = None) -> AdminModel:
        return _document(await keeper.load(name, wanted.version if wanted else None))

    @router.post("/models/{name}/unload", summary="Let a version go that is loaded beside the one that answers")
    async def unload(name: str, wanted: Unload) -> AdminModel:
        return _document(await keeper.unload(name, wanted.version))

    return router


def _no_browser(request: Request) -> None:
    if "origin" in request.headers:
        raise MienError(Kind.MALFORMED_REQUEST, "This port is not for pages in a browser; use mien models, or curl.")


def _document(kept: Kept) -> AdminModel:
    canary = kept.canary
    return AdminModel(
        name=kept.name,
        state=kept.state,
        on_disk=list(kept.on_disk),
        loaded=list(kept.loaded),
        answering=kept.answering,
        canary=OnTrial(version=canary.version, percent=round(100 * canary.share, 6)) if canary else None,
        shadow=kept.shadow,
        card=dict(kept.card),
    )

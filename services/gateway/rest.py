"""REST of the gateway: the door for applications."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from services import documents
from services.chassis.rest import attended, server_timing
from services.chassis.uploads import OPENAPI_BODY, read_image
from services.gateway.pipeline import Pipeline


class ClassifyQuery(BaseModel):
    """What a caller may choose; a parameter that is not here is an error, so that a misspelt one is never ignored."""

    model_config = ConfigDict(extra="forbid", protected_namespaces=())

    model: str = Field("", max_length=128, description="a name from GET /v1/models; left out: the default model")
    detect: Literal["true", "false"] = Field("true", description="false: the picture is one face already")


class NoQuery(BaseModel):
    model_config = ConfigDict(extra="forbid")


def routes(pipeline: Pipeline, max_bytes: int) -> APIRouter:
    router = APIRouter(prefix="/v1", tags=["faces"])

    @router.post(
        "/classify",
        summary="Every face of a photo and the expression it shows",
        openapi_extra=OPENAPI_BODY,
        response_model_exclude_none=True,
    )
    async def classify(
        request: Request, response: Response, query: Annotated[ClassifyQuery, Query()]
    ) -> documents.Reading:
        """No face is an answer with an empty list, not an error. Boxes are pixels of the upright image."""
        image = await read_image(request, max_bytes)
        reading = await attended(
            request, pipeline.classify(image, whole_picture=query.detect == "false", model=query.model)
        )
        response.headers.update(server_timing(reading.timings))
        return documents.reading(reading)

    @router.post(
        "/detect", summary="Every face of a photo", openapi_extra=OPENAPI_BODY, response_model_exclude_none=True
    )
    async def detect(request: Request, response: Response, query: Annotated[NoQuery, Query()]) -> documents.Detection:
        image = await read_image(request, max_bytes)
        detection = await attended(request, pipeline.detect(image))
        response.headers.update(server_timing(detection.timings))
        return documents.detection(detection)

    @router.get("/models", summary="The models that can be asked for, with their cards")
    async def models() -> documents.Models:
        return documents.models(await pipeline.models())

    return router

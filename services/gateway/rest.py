"""REST of the gateway: the door for applications."""

from __future__ import annotations

from functools import partial
from typing import Annotated, Literal

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from services import documents
from services.chassis.answering import attended, server_timing
from services.chassis.parameters import TargetParameters, openapi_parameters, read_parameters
from services.chassis.uploads import OPENAPI_BODY, FormLimits, openapi_several, read_image, read_images, read_upload
from services.domain import MOST_STEPS
from services.gateway.formats import IN_STEPS, MEDIA_TYPES, ONE_PICTURE, chosen_format
from services.gateway.generation import GenerationPipeline, Wish
from services.gateway.pipeline import Pipeline
from services.gateway.several import SeveralPhotos


class ClassifyQuery(BaseModel):
    """What a caller may choose; a parameter that is not here is an error, so that a misspelt one is never ignored."""

    model_config = ConfigDict(extra="forbid", protected_namespaces=())

    model: str = Field("", max_length=128, description="a name from GET /v1/models; left out: the default model")
    detect: Literal["true", "false"] = Field("true", description="false: the picture is one face already")
    explain: Literal["true", "false"] = Field(
        "false", description="true: say for each face what in it speaks for the expression"
    )


class GenerateParameters(TargetParameters):
    """Also what of the photo is changed, and how the answer comes."""

    face: int | None = Field(
        None, ge=0, description="which face, from left to right from 0; left out: every face that could be read"
    )
    steps: int = Field(
        0, ge=2, le=MOST_STEPS, description="so many pictures, from 1/steps of the way to all of it; left out: one"
    )
    format: str = Field(
        "",
        max_length=16,
        description="png, jpeg or json, which measures the result too; with steps webp, gif or zip. "
        "Left out: the header Accept decides",
    )


class NoQuery(BaseModel):
    model_config = ConfigDict(extra="forbid")


def routes(
    pipeline: Pipeline, several: SeveralPhotos, generation: GenerationPipeline, max_bytes: int, form: FormLimits
) -> APIRouter:
    router = APIRouter(prefix="/v1", tags=["faces"])

    @router.post(
        "/classify",
        summary="Every face of a photo, or of several, and the expression it shows",
        openapi_extra=openapi_several(form.images),
        response_model_exclude_none=True,
    )
    async def classify(
        request: Request, response: Response, query: Annotated[ClassifyQuery, Query()]
    ) -> documents.Reading | documents.Readings:
        """No face is an answer with an empty list, not an error. Boxes are pixels of the upright image.

        A form with several fields `image` is answered by a list in their order, each with its result or its error.
        """
        images = await read_images(request, max_bytes, form)
        classify = partial(
            pipeline.classify,
            whole_picture=query.detect == "false",
            model=query.model,
            explain=query.explain == "true",
        )
        if len(images) > 1:
            answer = await attended(request, several.classify(images, classify, query.model))
            return documents.readings(answer.outcomes, answer.model)
        reading = await attended(request, classify(images[0]))
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

    @router.post(
        "/generate",
        summary="The photo with another expression on its faces",
        openapi_extra={**OPENAPI_BODY, "parameters": openapi_parameters(GenerateParameters)},
        response_class=Response,
        responses={
            200: {
                "description": "the picture, marked as synthetic; or, as JSON, with what was measured",
                "model": documents.Rendering,
                "content": {kind: {} for kind in MEDIA_TYPES.values() if kind != "application/json"},
            }
        },
    )
    async def generate(request: Request) -> Response:
        """Parameters may stand in the query, form fields or the JSON. An expression shown is not an emotion felt."""
        upload = await read_upload(request, max_bytes)
        asked = read_parameters(GenerateParameters, request, upload.fields)
        form = chosen_format(asked.format, request.headers.get("accept", ""), IN_STEPS if asked.steps else ONE_PICTURE)
        wish = Wish(
            asked.target,
            asked.intensity,
            asked.face,
            asked.steps,
            asked.model,
            "png" if form == "json" else form,
            measure=form == "json",
        )
        rendering = await attended(request, generation.generate(upload.image, wish))
        headers = server_timing(rendering.timings) | {"Cache-Control": "no-store", "Vary": "Accept"}
        if form == "json":
            body = documents.rendering(rendering).model_dump_json(exclude_none=True)
            return Response(body, media_type="application/json", headers=headers)
        return Response(rendering.files[0], media_type=rendering.media_type, headers=headers)

    @router.get("/models", summary="The models that can be asked for, with their cards")
    async def models() -> documents.Models:
        return documents.models((*await pipeline.models(), *await generation.models()))

    return router

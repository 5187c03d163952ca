"""REST of the generation service: a picture that is one face already → the same face with another expression."""

from __future__ import annotations

from functools import partial

import numpy as np
from fastapi import APIRouter, Request, Response
from pydantic import Field, field_validator

from services import documents, images, synthetic
from services.chassis.answering import attended, server_timing
from services.chassis.parameters import TargetParameters, openapi_parameters, read_parameters, units_from_json
from services.chassis.threads import Spent, Threads
from services.chassis.uploads import OPENAPI_BODY, read_upload
from services.domain import ACTION_UNITS, SQUARE_PX, Generation, Generator


class FaceParameters(TargetParameters):
    """What the face shall show, and what it shows."""

    present: str = Field(
        "",
        max_length=1024,
        description="JSON: the action units that the face shows, in [0, 1]; left out ones are 0",
    )

    @field_validator("present")
    @classmethod
    def _are_known(cls, text: str) -> str:
        units = units_from_json(text)
        unknown = sorted(units.keys() - set(ACTION_UNITS))
        if unknown:
            raise ValueError(f"there is no action unit {unknown[0][:16]!r}")
        return text


def routes(generator: Generator, limits: images.ImageLimits, threads: Threads) -> APIRouter:
    """`threads` decode and encode the pictures: so many at once and no more, for a large one takes 300 MB."""
    router = APIRouter(prefix="/v1", tags=["generation"])

    @router.post(
        "/generate",
        summary="One face, already cut out, with another expression",
        openapi_extra={**OPENAPI_BODY, "parameters": openapi_parameters(FaceParameters)},
        response_class=Response,
        responses={200: {"content": {"image/png": {}}, "description": "the face, 128 x 128 pixels"}},
    )
    async def generate(request: Request) -> Response:
        """The picture is a square of 1.5 times the face, forehead to chin, the eyes level; the answer has 128 px."""
        upload = await read_upload(request, limits.max_bytes)
        wish = read_parameters(FaceParameters, request, upload.fields)
        generation, picture = await attended(request, _generate(upload.image, wish))
        return Response(picture, media_type="image/png", headers=server_timing(generation.timings))

    async def _generate(data: bytes, wish: FaceParameters) -> tuple[Generation, bytes]:
        crop = await threads.do(partial(images.read_square, data, limits, SQUARE_PX), Spent())
        units = units_from_json(wish.present)
        present = np.array([[units.get(name, 0.0) for name in ACTION_UNITS]], np.float32)
        generation = await generator.generate(
            np.expand_dims(crop, 0), present, wish.target, intensity=wish.intensity, model=wish.model
        )
        encoding = partial(synthetic.picture, generation.rendered[0, 0], "png")
        return generation, await threads.do(encoding, Spent())

    @router.get("/models", summary="The models that can be asked for, with their cards")
    async def models() -> documents.Models:
        return documents.models(await generator.models())

    return router

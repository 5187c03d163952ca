"""REST of the classification service: a picture that is one face already → its expression."""

from __future__ import annotations

from functools import partial

import numpy as np
from fastapi import APIRouter, Request, Response

from services import documents, images
from services.chassis.answering import attended, server_timing
from services.chassis.threads import Spent, Threads
from services.chassis.uploads import OPENAPI_BODY, read_image
from services.domain import FACE_PX, Classification, Classifier, top_expression


def routes(classifier: Classifier, limits: images.ImageLimits, threads: Threads) -> APIRouter:
    """`threads` decode the pictures: so many at once and no more, for a large one takes 300 MB."""
    router = APIRouter(prefix="/v1", tags=["classification"])

    @router.post("/classify", summary="What one face, already cut out, shows", openapi_extra=OPENAPI_BODY)
    async def classify(request: Request, response: Response, model: str = "") -> documents.Classification:
        data = await read_image(request, limits.max_bytes)
        answer = await attended(request, _classify(data, model))
        response.headers.update(server_timing(answer.timings))
        row = tuple(float(value) for value in answer.probabilities[0])
        return documents.Classification(
            expression=top_expression(row),
            probabilities=documents.probabilities(row),
            model=documents.model_version(answer.model),
        )

    async def _classify(data: bytes, model: str) -> Classification:
        crop = await threads.do(partial(images.read_square, data, limits, FACE_PX), Spent())
        return await classifier.classify(np.expand_dims(crop, 0), model=model)

    @router.get("/models", summary="The models that can be asked for, with their cards")
    async def models() -> documents.Models:
        return documents.models(await classifier.models())

    return router

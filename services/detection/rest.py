"""REST of the detection service: a photo → the faces in it."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response

from services import documents
from services.chassis.answering import attended, server_timing
from services.chassis.uploads import OPENAPI_BODY, read_image
from services.domain import Detector


def routes(detector: Detector, max_bytes: int) -> APIRouter:
    router = APIRouter(prefix="/v1", tags=["detection"])

    @router.post(
        "/detect", summary="Every face of a photo", openapi_extra=OPENAPI_BODY, response_model_exclude_none=True
    )
    async def detect(request: Request, response: Response) -> documents.Detection:
        image = await read_image(request, max_bytes)
        detection = await attended(request, detector.detect(image))
        response.headers.update(server_timing(detection.timings))
        return documents.detection(detection)

    return router

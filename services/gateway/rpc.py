"""gRPC of the gateway."""

from __future__ import annotations

import grpc

from mien.v1 import mien_pb2 as pb
from mien.v1 import mien_pb2_grpc
from services import wire
from services.errors import Kind, MienError
from services.gateway.pipeline import Pipeline

NAMES = ("mien.v1.Gateway",)


class Servicer(mien_pb2_grpc.GatewayServicer):
    def __init__(self, pipeline: Pipeline, max_bytes: int) -> None:
        self._pipeline = pipeline
        self._max_bytes = max_bytes

    async def Classify(
        self, request: pb.GatewayClassifyRequest, context: grpc.aio.ServicerContext
    ) -> pb.GatewayClassifyResponse:
        self._check(request.image)
        reading = await self._pipeline.classify(request.image, whole_picture=request.whole_picture, model=request.model)
        return wire.reading_to_pb(reading)

    async def Detect(
        self, request: pb.GatewayDetectRequest, context: grpc.aio.ServicerContext
    ) -> pb.GatewayDetectResponse:
        self._check(request.image)
        found = wire.detection_to_pb(await self._pipeline.detect(request.image))
        return pb.GatewayDetectResponse(image=found.image, faces=found.faces, timings=found.timings)

    async def Generate(
        self, request: pb.GatewayGenerateRequest, context: grpc.aio.ServicerContext
    ) -> pb.GatewayGenerateResponse:
        raise MienError(Kind.NOT_IMPLEMENTED, "No expression generator is installed here.")

    async def ListModels(
        self, request: pb.ListModelsRequest, context: grpc.aio.ServicerContext
    ) -> pb.ListModelsResponse:
        return pb.ListModelsResponse(models=[wire.model_to_pb(model) for model in await self._pipeline.models()])

    def _check(self, image: bytes) -> None:
        if not image:
            raise MienError(Kind.MISSING_IMAGE, "The picture has no bytes.", field="image")
        if len(image) > self._max_bytes:
            raise MienError(
                Kind.TOO_MANY_BYTES,
                f"A picture may have at most {self._max_bytes} bytes; send a smaller one.",
                field="image",
            )


def register(pipeline: Pipeline, max_bytes: int, server: grpc.aio.Server) -> None:
    mien_pb2_grpc.add_GatewayServicer_to_server(Servicer(pipeline, max_bytes), server)

"""gRPC of the gateway."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass

import grpc

from mien.v1 import mien_pb2 as pb
from mien.v1 import mien_pb2_grpc
from services import wire, wire_generation
from services.chassis.streams import Method, Streams
from services.errors import Kind, MienError
from services.gateway.generation import GenerationPipeline, Wish
from services.gateway.pipeline import Pipeline

NAMES = ("mien.v1.Gateway",)

_FORMS = {pb.PICTURE_FORMAT_UNSPECIFIED: "png", pb.PICTURE_FORMAT_PNG: "png", pb.PICTURE_FORMAT_JPEG: "jpeg"}


@dataclass(frozen=True, slots=True)
class MessageLimits:
    """Bytes of a request's picture, and of a whole answer."""

    max_image_bytes: int
    max_message_bytes: int


class Servicer(mien_pb2_grpc.GatewayServicer):
    def __init__(
        self, pipeline: Pipeline, generation: GenerationPipeline, limits: MessageLimits, streams: Streams
    ) -> None:
        self._pipeline, self._generation, self._limits, self._streams = pipeline, generation, limits, streams

    async def Classify(
        self, request: pb.GatewayClassifyRequest, context: grpc.aio.ServicerContext
    ) -> pb.GatewayClassifyResponse:
        return await self._classify(request)

    async def Detect(
        self, request: pb.GatewayDetectRequest, context: grpc.aio.ServicerContext
    ) -> pb.GatewayDetectResponse:
        return await self._detect(request)

    async def Generate(
        self, request: pb.GatewayGenerateRequest, context: grpc.aio.ServicerContext
    ) -> pb.GatewayGenerateResponse:
        return await self._generate(request)

    async def ClassifyStream(
        self, requests: AsyncIterator[pb.GatewayClassifyStreamRequest], context: grpc.aio.ServicerContext
    ) -> None:
        await self.classify_stream(requests, context.write)

    async def DetectStream(
        self, requests: AsyncIterator[pb.GatewayDetectStreamRequest], context: grpc.aio.ServicerContext
    ) -> None:
        method = Method("DetectStream", self._detect, pb.GatewayDetectStreamResponse)
        await self._streams.answer(method, requests, context.write)

    async def GenerateStream(
        self, requests: AsyncIterator[pb.GatewayGenerateStreamRequest], context: grpc.aio.ServicerContext
    ) -> None:
        method = Method("GenerateStream", self._generate, pb.GatewayGenerateStreamResponse)
        await self._streams.answer(method, requests, context.write)

    async def ListModels(
        self, request: pb.ListModelsRequest, context: grpc.aio.ServicerContext
    ) -> pb.ListModelsResponse:
        models = (*await self._pipeline.models(), *await self._generation.models())
        return pb.ListModelsResponse(models=[wire.model_to_pb(model) for model in models])

    async def classify_stream(
        self,
        requests: AsyncIterator[pb.GatewayClassifyStreamRequest],
        write: Callable[[pb.GatewayClassifyStreamResponse], Awaitable[None]],
    ) -> None:
        """`ClassifyStream` without a transport."""
        method = Method("ClassifyStream", self._classify, pb.GatewayClassifyStreamResponse)
        await self._streams.answer(method, requests, write)

    async def classifiers(self) -> pb.ListModelsResponse:
        """`ListModels` without generators, which may be behind a transport."""
        return pb.ListModelsResponse(models=[wire.model_to_pb(model) for model in await self._pipeline.models()])

    async def _classify(self, request: pb.GatewayClassifyRequest) -> pb.GatewayClassifyResponse:
        self._check(request.image)
        reading = await self._pipeline.classify(
            request.image, whole_picture=request.whole_picture, model=request.model, explain=request.explain
        )
        return wire.reading_to_pb(reading)

    async def _detect(self, request: pb.GatewayDetectRequest) -> pb.GatewayDetectResponse:
        self._check(request.image)
        found = wire.detection_to_pb(await self._pipeline.detect(request.image))
        return pb.GatewayDetectResponse(image=found.image, faces=found.faces, timings=found.timings)

    async def _generate(self, request: pb.GatewayGenerateRequest) -> pb.GatewayGenerateResponse:
        self._check(request.image)
        if request.format not in _FORMS:
            raise MienError(Kind.NOT_ACCEPTABLE, "format must be PNG or JPEG.", field="format")
        wish = Wish(
            wire_generation.target_from_pb(request),
            request.strength if request.HasField("strength") else 1.0,
            request.face if request.HasField("face") else None,
            request.steps,
            request.model,
            _FORMS[request.format],
            measure=request.measure and not request.steps,
        )
        reply = wire_generation.rendering_to_pb(await self._generation.generate(request.image, wish), request.steps > 0)
        if reply.ByteSize() > self._limits.max_message_bytes:
            raise MienError(
                Kind.TOO_MANY_BYTES,
                f"The answer has more than {self._limits.max_message_bytes:,} bytes. "
                "Ask for JPEG or fewer steps, or send a smaller image.",
                field="format",
            )
        return reply

    def _check(self, image: bytes) -> None:
        if not image:
            raise MienError(Kind.MISSING_IMAGE, "The picture has no bytes.", field="image")
        if len(image) > self._limits.max_image_bytes:
            raise MienError(
                Kind.TOO_MANY_BYTES,
                f"A picture may have at most {self._limits.max_image_bytes} bytes; send a smaller one.",
                field="image",
            )


def register(servicer: Servicer, server: grpc.aio.Server) -> None:
    mien_pb2_grpc.add_GatewayServicer_to_server(servicer, server)

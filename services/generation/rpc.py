"""gRPC of the generation service: the servicer, and the client that satisfies `domain.Generator` from afar."""

from __future__ import annotations

import asyncio

import grpc
import numpy as np
from numpy.typing import NDArray

from mien.v1 import mien_pb2 as pb
from mien.v1 import mien_pb2_grpc
from services import wire, wire_generation
from services.chassis.links import Link
from services.domain import RGB, Generation, Generator, Model, Target, Timings

NAMES = ("mien.v1.ExpressionGeneration",)

_ROWS_A_CALL = 64  # faces times frames: an answer of 4 MB


class Servicer(mien_pb2_grpc.ExpressionGenerationServicer):
    def __init__(self, generator: Generator) -> None:
        self._generator = generator

    async def Generate(self, request: pb.GenerateRequest, context: grpc.aio.ServicerContext) -> pb.GenerateResponse:
        generation = await self._generator.generate(
            wire.crops_from_pb(request.crops),
            wire_generation.present_from_pb(request.present),
            wire_generation.target_from_pb(request),
            intensity=request.strength if request.HasField("strength") else 1.0,
            steps=request.steps or 1,
            model=request.model,
        )
        return wire_generation.generation_to_pb(generation)

    async def ListModels(
        self, request: pb.ExpressionGenerationListModelsRequest, context: grpc.aio.ServicerContext
    ) -> pb.ExpressionGenerationListModelsResponse:
        models = [wire.model_to_pb(model) for model in await self._generator.models()]
        return pb.ExpressionGenerationListModelsResponse(models=models)


class RemoteGenerator:
    """A generation service at the other end of a channel."""

    def __init__(self, channel: grpc.aio.Channel, link: Link) -> None:
        self._stub, self._link = mien_pb2_grpc.ExpressionGenerationStub(channel), link

    async def generate(
        self,
        crops: RGB,
        present: NDArray[np.float32],
        target: Target,
        *,
        intensity: float = 1.0,
        steps: int = 1,
        model: str = "",
    ) -> Generation:
        """See `Generator.generate`; many faces go in several calls at once, so that no message is too large."""
        faces = max(1, _ROWS_A_CALL // max(1, steps))

        async def part(start: int) -> Generation:
            request = pb.GenerateRequest(
                crops=wire.crops_to_pb(crops[start : start + faces]),
                present=wire_generation.rows_to_pb(present[start : start + faces]),
                strength=intensity,
                steps=steps,
                model=model,
                **wire_generation.target_to_pb(target),
            )

            def read(reply: pb.GenerateResponse) -> Generation:
                generation = wire_generation.generation_from_pb(reply, steps)
                if generation.rendered.shape[:2] != (steps, len(request.crops)):
                    raise ValueError("not so many steps of each crop")
                return generation

            return await self._link.call(self._stub.Generate, request, read)

        return _joined(await asyncio.gather(*(part(start) for start in range(0, len(crops), faces))))

    async def models(self) -> tuple[Model, ...]:
        request = pb.ExpressionGenerationListModelsRequest()
        return await self._link.call(self._stub.ListModels, request, wire.models_from_pb)


def _joined(parts: list[Generation]) -> Generation:
    """All faces of each frame; the times of the slowest call."""
    total_s, queue_s, inference_s = (
        max(getattr(part.timings, name) for part in parts) for name in ("total_s", "queue_s", "inference_s")
    )
    return Generation(
        np.concatenate([part.rendered for part in parts], axis=1),
        np.concatenate([part.masks for part in parts], axis=1),
        np.concatenate([part.wanted for part in parts], axis=1),
        parts[0].model,
        Timings(total_s, 0.0, queue_s, inference_s),
    )


def register(generator: Generator, server: grpc.aio.Server) -> None:
    mien_pb2_grpc.add_ExpressionGenerationServicer_to_server(Servicer(generator), server)

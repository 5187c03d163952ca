"""The gateway's gRPC where an answer would be too large to travel."""

from __future__ import annotations

from typing import Any, cast

import pytest

from mien.v1 import mien_pb2 as pb
from services.chassis.streams import Streams
from services.domain import ModelVersion, Rendering
from services.errors import Kind, MienError
from services.gateway.generation import GenerationPipeline, Wish
from services.gateway.pipeline import Pipeline
from services.gateway.rpc import MessageLimits, Servicer


class Large:
    """A generation whose pictures have 1000 bytes."""

    async def generate(self, image: bytes, wish: Wish) -> Rendering:
        files = (bytes(1000),) * max(1, wish.steps)
        return Rendering(1, 1, files, "image/png", (1.0,) * len(files), (), ModelVersion("m", 1))


@pytest.mark.parametrize(("most", "steps"), [(900, 0), (1900, 2)])
async def test_an_answer_that_no_message_can_hold_says_what_to_ask_for(most: int, steps: int) -> None:
    servicer = Servicer(
        cast(Pipeline, None), cast(GenerationPipeline, Large()), MessageLimits(10, most), cast(Streams, None)
    )
    request = pb.GatewayGenerateRequest(image=b"photo", expression=pb.EXPRESSION_FEAR, steps=steps)
    with pytest.raises(MienError, match="JPEG or fewer steps") as caught:
        await servicer.Generate(request, cast(Any, None))
    assert caught.value.kind is Kind.TOO_MANY_BYTES
    roomy = Servicer(
        cast(Pipeline, None), cast(GenerationPipeline, Large()), MessageLimits(10, 9000), cast(Streams, None)
    )
    reply = await roomy.Generate(request, cast(Any, None))
    assert len(reply.frames) == steps
    assert len(reply.image) == (0 if steps else 1000)


async def test_a_format_that_the_contract_does_not_have_is_refused() -> None:
    servicer = Servicer(
        cast(Pipeline, None), cast(GenerationPipeline, Large()), MessageLimits(10, 9000), cast(Streams, None)
    )
    request = pb.GatewayGenerateRequest(image=b"photo", expression=pb.EXPRESSION_FEAR, format=9)  # type: ignore[arg-type]
    with pytest.raises(MienError) as caught:
        await servicer.Generate(request, cast(Any, None))
    assert caught.value.kind is Kind.NOT_ACCEPTABLE

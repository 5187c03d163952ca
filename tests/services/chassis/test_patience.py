"""Patience crosses the hop to another service, and waits there for a place."""

from __future__ import annotations

import asyncio

import pytest

from mien.v1 import mien_pb2 as pb
from services import calls
from services.chassis import rpc
from services.errors import Kind, MienError
from tests.streaming import LATE_S, serving, still, stub_of, until


@pytest.mark.parametrize("patient", [True, False])
async def test_a_service_is_told_whether_the_call_is_patient(patient: bool) -> None:
    async with serving() as served, stub_of(served) as stub:
        with calls.answering("one", LATE_S, patient=patient):
            await rpc.call(stub.Classify, pb.GatewayClassifyRequest(image=b"1"))
        assert served.toy.patience == [patient]


async def test_patient_calls_take_no_place_of_single_ones_and_wait_for_their_own() -> None:
    async with serving(max_calls=1) as served, stub_of(served) as stub:

        async def ask(size: int, model: str = "") -> None:
            with calls.answering("one", LATE_S, patient=True):
                await rpc.call(stub.Classify, pb.GatewayClassifyRequest(image=bytes(size), model=model))

        holder = asyncio.create_task(ask(1, "gate:held"))
        await until(lambda: served.toy.begun == [1])
        waits = asyncio.create_task(ask(2))
        assert await still(lambda: len(served.toy.begun)) == 1
        assert not waits.done()
        await stub.Classify(pb.GatewayClassifyRequest(image=b"123"), timeout=LATE_S)
        assert served.toy.begun == [1, 3]
        served.toy.gates["held"].set()
        await asyncio.wait_for(asyncio.gather(holder, waits), LATE_S)
        assert served.toy.begun == [1, 3, 2]


async def test_a_call_that_is_not_patient_is_refused_at_once() -> None:
    async with serving(max_calls=0) as served, stub_of(served) as stub:
        with calls.answering("one", LATE_S), pytest.raises(MienError) as caught:
            await rpc.call(stub.Classify, pb.GatewayClassifyRequest(image=b"1"))
        assert caught.value.kind is Kind.QUEUE_FULL

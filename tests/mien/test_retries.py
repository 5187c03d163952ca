"""Single calls are made again where that may help; what the package loads."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable

import pytest

from mien import AsyncClient, Client
from mien.outcomes import RETRYABLE, CallError
from mien.retries import Retries
from services.errors import TABLE, Kind, MienError
from tests.streaming import LATE_S, Served, serving

Ask = Callable[..., Awaitable[int]]


async def blocking(served: Served, **options: float) -> int:
    """The answer's width."""

    def ask() -> int:
        with Client(served.address, **options) as client:  # type: ignore[arg-type]
            return int(client.classify(b"123").image.width)

    return await asyncio.wait_for(asyncio.to_thread(ask), LATE_S)


async def awaiting(served: Served, **options: float) -> int:
    """The same of the asyncio client."""
    async with AsyncClient(served.address, **options) as client:  # type: ignore[arg-type]
        return int((await client.classify(b"123")).image.width)


@pytest.fixture(params=[blocking, awaiting], ids=["blocking", "asyncio"])
def ask(request: pytest.FixtureRequest) -> Ask:
    return request.param  # type: ignore[no-any-return]


def full(retry_after_s: float = 0.0) -> MienError:
    return MienError(Kind.QUEUE_FULL, "Too many are waiting.", retry_after_s=retry_after_s)


async def test_a_call_is_made_again_until_it_succeeds(ask: Ask) -> None:
    async with serving() as served:
        served.toy.failures = [full(), full()]
        assert await ask(served, timeout_s=LATE_S) == 3
        assert len(served.toy.begun) == 3


async def test_no_more_often_than_asked_for(ask: Ask) -> None:
    async with serving() as served:
        served.toy.failures = [full(), full(), full()]
        with pytest.raises(CallError) as caught:
            await ask(served, timeout_s=LATE_S, retries=1)
        assert (caught.value.code, len(served.toy.begun)) == ("queue_full", 2)


async def test_what_is_wrong_for_good_is_not_tried_again(ask: Ask) -> None:
    async with serving() as served:
        served.toy.failures = [MienError(Kind.NO_FACE, "No face.", field="image")]
        with pytest.raises(CallError) as caught:
            await ask(served, timeout_s=LATE_S)
        assert (caught.value.code, caught.value.field, len(served.toy.begun)) == ("no_face", "image", 1)


async def test_the_server_says_when(ask: Ask) -> None:
    async with serving() as served:
        served.toy.failures = [full(retry_after_s=1.5)]
        started = time.monotonic()
        await ask(served, timeout_s=LATE_S)
        assert time.monotonic() - started >= 1.5


async def test_a_try_that_would_be_too_late_is_not_made(ask: Ask) -> None:
    async with serving() as served:
        served.toy.failures = [full(retry_after_s=3600)]
        with pytest.raises(CallError) as caught:
            await ask(served, timeout_s=LATE_S)
        assert (caught.value.retry_after_s, len(served.toy.begun)) == (3600, 1)


def test_the_pauses_grow_and_are_jittered() -> None:
    retries, error = Retries(100, time.monotonic() + 3600), CallError("queue_full", "Wait.", retryable=True)
    pauses = [[retries.pause_s(error, tries) for _ in range(50)] for tries in (1, 2, 3, 20)]
    for sample, longest in zip(pauses, (0.1, 0.2, 0.4, 5.0), strict=True):
        assert longest / 2 <= min(sample) < max(sample) <= longest


def test_the_client_knows_what_may_succeed_later() -> None:
    assert {kind.value for kind, row in TABLE.items() if row.retryable} == RETRYABLE


def test_the_package_loads_nothing_and_the_clients_only_grpc_and_protobuf() -> None:
    script = """
import sys
before = {name.partition(".")[0] for name in sys.modules}
import mien
assert "grpc" not in sys.modules and "google" not in sys.modules
from mien import AsyncClient, CallError, Client, Outcome
loaded = {name.partition(".")[0] for name in sys.modules} - before - sys.stdlib_module_names
print(*sorted(name for name in loaded if not name.startswith(("_", "grpc"))))  # grpcio loads sisters that it finds
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert set(done.stdout.split()) <= {"mien", "google", "typing_extensions", "cython_runtime"}

"""The life cycle of the models in this process: under traffic versions come and go, and no call is lost."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from itertools import pairwise
from pathlib import Path

import pytest

from services.inference.backend import Backend, Holding
from services.inference.embedded import EmbeddedBackend
from services.inference.repository import RepositoryError
from tests.services.inference.observers import Ledger
from tests.services.inference.toy_repository import Fault, toy_faces, write_classifier

NAME = "expression_classifier"


@asynccontextmanager
async def started(repository: Path, ledger: Ledger | None = None) -> AsyncIterator[EmbeddedBackend]:
    backend = EmbeddedBackend(repository, ledger or Ledger())
    await backend.start()
    try:
        yield backend
    finally:
        await backend.close()


async def version_that_answers(backend: Backend) -> int:
    return (await backend.infer(NAME, {"faces": toy_faces(1)}, deadline_s=60)).version


async def under_traffic(backend: Backend, change: Callable[[], Awaitable[None]]) -> list[int]:
    """What 16 callers were answered by, one after the other, while `change` went on; an error is the test's."""
    answered: list[int] = []
    enough = asyncio.Event()

    async def keep_asking() -> None:
        while not enough.is_set():
            answered.append(await version_that_answers(backend))
            await asyncio.sleep(0.01)

    async with asyncio.TaskGroup() as callers:
        for _ in range(16):
            callers.create_task(keep_asking())
        await change()
        enough.set()
    return answered


async def test_under_16_callers_twenty_reloads_and_rolls_fail_no_call(tmp_path: Path) -> None:
    write_classifier(tmp_path, version=1)
    write_classifier(tmp_path, version=2)
    ledger = Ledger()
    async with started(tmp_path, ledger) as backend:
        seen: list[tuple[int, int]] = []

        async def roll() -> None:
            for version in [1, 1, 2, 2] * 5:
                await backend.load(NAME, version)
                seen.append((version, await version_that_answers(backend)))
                await asyncio.sleep(0.1)

        answered = await under_traffic(backend, roll)
        assert [wanted for wanted, _ in seen] == [answer for _, answer in seen]
        assert len(ledger.loads) == 21
        assert set(answered) == {1, 2}
        assert sum(one != other for one, other in pairwise(answered)) >= 5, (
            "callers saw less than half of the ten changes"
        )
        assert not ledger.drops
        assert ledger.serving == {2}


async def test_what_the_old_version_runs_is_finished_by_it(tmp_path: Path) -> None:
    write_classifier(tmp_path, version=1, fault="slow", max_batch_size=1, instances=1)
    async with started(tmp_path) as backend:
        before = [asyncio.create_task(version_that_answers(backend)) for _ in range(4)]
        await asyncio.sleep(0)
        write_classifier(tmp_path, version=2, max_batch_size=1, instances=1)
        await backend.load(NAME, 2)
        assert all(caller.done() for caller in before), "the old version went before it had answered"
        assert [await caller for caller in before] == [1, 1, 1, 1]
        assert await version_that_answers(backend) == 2


@pytest.mark.parametrize(
    ("fault", "sentence"),
    [
        ("damaged graph", "onnxruntime cannot load model.onnx"),
        ("no model file", "has no 2/model.onnx"),
        ("damaged card", "is not JSON"),
        ("another dtype", "model.onnx has ['n', 112, 112, 3] int8"),
        ("another size", "has other tensors or labels than what answers now"),
        ("fixed batch axis", "must be dynamic"),
    ],
)
async def test_a_version_that_cannot_be_served_leaves_the_old_one_answering(
    tmp_path: Path, fault: Fault, sentence: str
) -> None:
    write_classifier(tmp_path, version=1)
    ledger = Ledger()
    async with started(tmp_path, ledger) as backend:
        write_classifier(tmp_path, version=2, fault=fault)
        with pytest.raises(RepositoryError) as caught:
            await backend.load(NAME, 2)
        assert sentence in str(caught.value)
        assert str(tmp_path) not in str(caught.value), "the sentence may be answered to somebody afar"
        assert await version_that_answers(backend) == 1
        assert backend.ready()
        assert backend.holdings() == {NAME: Holding(1)}
        assert ledger.serving == {1}


async def test_a_version_beside_answers_who_names_it_until_it_is_let_go(tmp_path: Path) -> None:
    for version in (1, 2):
        write_classifier(tmp_path, version=version)
    ledger = Ledger()
    async with started(tmp_path, ledger) as backend:
        await backend.load(NAME, 1, beside=[2])
        assert backend.holdings() == {NAME: Holding(1, frozenset({2}))}
        assert await version_that_answers(backend) == 1
        assert (await backend.infer(NAME, {"faces": toy_faces(1)}, deadline_s=60, version=2)).version == 2
        await backend.release(NAME, 2)
        assert ledger.serving == {1}
        assert backend.specs()[NAME].card["version"] == 1

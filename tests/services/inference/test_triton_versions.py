"""Versions of a real Triton come, go back and are refused under traffic, and processes that share it find out."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from services.inference.backend import Holding
from services.inference.embedded import check
from services.inference.repository import RepositoryError
from services.inference.triton import TritonBackend
from tests import triton_server
from tests.services.inference.observers import Ledger
from tests.services.inference.test_lifecycle import NAME, under_traffic, version_that_answers
from tests.services.inference.toy_repository import toy_faces, write_classifier
from tests.triton_server import Triton


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Triton]:
    """A Triton of this module's own, with versions 1 and 2 on disk."""
    folder = tmp_path_factory.mktemp("two")
    for version in (1, 2):
        write_classifier(folder, version=version, instances=1)
    with triton_server.running(folder, control="explicit") as server:
        server.load(NAME)
        yield server


@asynccontextmanager
async def started(server: Triton, ledger: Ledger | None = None) -> AsyncIterator[TritonBackend]:
    backend = TritonBackend(server.address, server.repository, ledger or Ledger(), check=check)
    await backend.start()
    try:
        yield backend
    finally:
        await backend.close()


async def test_it_rolls_back_and_forward_under_16_callers_without_a_failed_call(two: Triton) -> None:
    ledger = Ledger()
    async with started(two, ledger) as backend:

        async def roll() -> None:
            for version in (1, 2):
                await backend.load(NAME, version)
                async with asyncio.timeout(60):
                    while await version_that_answers(backend) != version:  # noqa: ASYNC110 - Triton changes over
                        await asyncio.sleep(0.05)
                assert backend.specs()[NAME].card["version"] == version

        assert set(await under_traffic(backend, roll)) == {1, 2}
        assert not ledger.drops
        assert ledger.serving == {2}


async def test_a_candidate_answers_beside_the_other_until_it_is_let_go_and_a_start_finds_what_is_served(
    two: Triton,
) -> None:
    async with started(two) as backend, started(two) as neighbour:
        await backend.load(NAME, 1, beside=[2])
        assert backend.holdings() == {NAME: Holding(1, frozenset({2}))}
        assert await version_that_answers(backend) == 1, "the newest would be 2"
        assert (await backend.infer(NAME, {"faces": toy_faces(1)}, deadline_s=60, version=2)).version == 2
        left = await under_traffic(backend, lambda: backend.release(NAME, 2))
        assert set(left) == {1}, "for a moment the one that goes answered everybody"
        async with asyncio.timeout(60):
            while neighbour.specs()[NAME].version != 1:  # noqa: ASYNC110 - it finds out by looking
                await asyncio.sleep(0.05)
    async with started(two) as later:
        assert later.specs()[NAME].version == 1, "what was rolled back stays so after a restart"
        write_classifier(two.repository, version=3, fault="damaged graph", instances=1)
        with pytest.raises(RepositoryError, match=r"onnxruntime cannot load model.onnx"):
            await later.load(NAME, 3)
        assert await version_that_answers(later) == 1


async def test_a_triton_that_takes_no_orders_says_so_and_has_what_its_policy_serves(tmp_path: Path) -> None:
    for version in (1, 2):
        config = write_classifier(tmp_path, version=version, instances=1) / "config.pbtxt"
    config.write_text(config.read_text().replace("num_versions: 1", "num_versions: 2"))
    with triton_server.running(tmp_path, control="none") as server:
        async with started(server) as backend:
            await backend.load(NAME, 1, beside=[2])
            assert await version_that_answers(backend) == 1
            with pytest.raises(RepositoryError, match="start it with --model-control-mode explicit"):
                await backend.release(NAME, 2)
            assert backend.holdings() == {NAME: Holding(1, frozenset({2}))}
            assert await version_that_answers(backend) == 1

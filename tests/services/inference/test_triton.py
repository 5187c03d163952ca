"""Triton under faults: it is killed, a model of it dies, a file is damaged, it serves something else than it should."""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest

from services.errors import Kind, MienError
from services.inference.repository import RepositoryError
from services.inference.triton import TritonBackend
from tests import triton_server
from tests.services.inference.observers import Ledger
from tests.services.inference.toy_repository import toy_faces, write_classifier
from tests.stack import free_ports
from tests.triton_server import Triton

NAME = "expression_classifier"
DOWN_S, BACK_S = 2.0, 5.0  # what is promised, seen from the moment that callers could know
STUB_S = 1.0  # Triton itself takes so long to say that a process of its Python backend is dead


@pytest.fixture(scope="module")
def mortal(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Triton]:
    """A Triton of this module's own, with one classifier, that may be killed."""
    folder = tmp_path_factory.mktemp("mortal")
    write_classifier(folder, instances=1)
    with triton_server.running(folder) as server:
        yield server


@asynccontextmanager
async def started(server: Triton, repository: Path, ledger: Ledger | None = None) -> AsyncIterator[TritonBackend]:
    backend = TritonBackend(server.address, repository, ledger or Ledger())
    await backend.start()
    try:
        yield backend
    finally:
        await backend.close()


async def ask(backend: TritonBackend, deadline_s: float = 30.0, name: str = NAME) -> int | MienError:
    """The version that answered, or the error."""
    try:
        return (await backend.infer(name, {"faces": toy_faces(1)}, deadline_s=deadline_s)).version
    except MienError as error:
        return error


async def keep_asking(backend: TritonBackend, answers: list[int | MienError]) -> None:
    while True:
        answers.append(await ask(backend))
        await asyncio.sleep(0.01)


async def seconds_until(true: Callable[[], bool]) -> float:
    started = time.monotonic()
    async with asyncio.timeout(60):
        while not true():  # noqa: ASYNC110 - the state of another process, there is no event to wait for
            await asyncio.sleep(0.02)
    return time.monotonic() - started


async def test_a_triton_that_is_killed_is_noticed_and_one_that_returns_is_found(mortal: Triton) -> None:
    ledger, answers = Ledger(), list[int | MienError]()
    async with started(mortal, mortal.repository, ledger) as backend:
        callers = [asyncio.create_task(keep_asking(backend, answers)) for _ in range(8)]
        await seconds_until(lambda: len(answers) > 20)
        assert backend.ready()
        assert all(answer == 1 for answer in answers)

        await asyncio.to_thread(mortal.kill)
        assert await seconds_until(lambda: not backend.ready()) < DOWN_S
        begun = time.monotonic()
        refused = await ask(backend)
        assert time.monotonic() - begun < 1, "nobody waits for the dead"
        assert isinstance(refused, MienError)
        errors = [answer for answer in answers if isinstance(answer, MienError)]
        assert {error.kind for error in [*errors, refused]} == {Kind.UNAVAILABLE}
        assert not any(word in error.detail for error in errors for word in ("127.0.0.1", "Socket", "connect"))
        assert ledger.drops[Kind.UNAVAILABLE] >= len(errors)
        assert ledger.up == {NAME: False}

        await asyncio.to_thread(mortal.start)
        assert await seconds_until(backend.ready) < BACK_S
        answers.clear()
        await seconds_until(lambda: len(answers) > 20)
        assert all(answer == 1 for answer in answers)
        for caller in callers:
            caller.cancel()


async def test_a_model_whose_process_dies_is_taken_out_although_triton_says_that_it_is_ready(mortal: Triton) -> None:
    async with started(mortal, mortal.repository) as backend:
        answers: list[int | MienError] = []
        caller = asyncio.create_task(keep_asking(backend, answers))
        await seconds_until(lambda: len(answers) > 2)
        for stub in mortal.stubs(NAME):
            stub.kill()
        assert await seconds_until(lambda: not backend.ready()) < DOWN_S + STUB_S
        assert mortal.serves(NAME)
        refused = await ask(backend)
        assert isinstance(refused, MienError)
        assert refused.kind is Kind.UNAVAILABLE
        caller.cancel()
        await asyncio.to_thread(mortal.kill)
        await asyncio.to_thread(mortal.start)
        assert await seconds_until(backend.ready) < BACK_S


async def test_a_triton_that_hangs_is_taken_out_until_it_goes_on(mortal: Triton) -> None:
    async with started(mortal, mortal.repository) as backend:
        assert mortal.process
        mortal.process.send_signal(signal.SIGSTOP)
        try:
            assert await seconds_until(lambda: not backend.ready()) < 10
        finally:
            mortal.process.send_signal(signal.SIGCONT)
        assert await seconds_until(backend.ready) < BACK_S


async def test_a_damaged_version_is_not_loaded_and_a_good_one_without_a_failed_call(
    tmp_path: Path, triton: Triton
) -> None:
    triton.serve(write_classifier(tmp_path, instances=1))
    async with started(triton, tmp_path) as backend:
        answers: list[int | MienError] = []
        caller = asyncio.create_task(keep_asking(backend, answers))
        write_classifier(triton.repository, version=2, fault="damaged graph", instances=1)
        with pytest.raises(httpx.HTTPStatusError):
            await asyncio.to_thread(triton.load, NAME)
        assert await ask(backend) == 1
        write_classifier(triton.repository, version=2, instances=1)
        await asyncio.to_thread(triton.load, NAME)
        assert await ask(backend) == 2
        caller.cancel()
        assert set(answers) <= {1, 2}


async def test_work_whose_deadline_has_passed_is_dropped_from_tritons_queue(tmp_path: Path, triton: Triton) -> None:
    # of a name of its own: counters of versions that others let go vanish some time after them
    name = "expression_classifier_slow"
    triton.serve(write_classifier(tmp_path, name=name, fault="slow", max_batch_size=1, instances=1))
    async with started(triton, tmp_path) as backend:
        assert await ask(backend, name=name) == 1
        await asyncio.sleep(0.5)  # Triton counts after it has answered, its warm-up too
        before = triton.counted("nv_inference_count", name)
        first = [asyncio.create_task(ask(backend, name=name)) for _ in range(4)]  # a quick machine runs one in 60 ms
        await asyncio.sleep(0.02)
        doomed = await asyncio.gather(*(ask(backend, deadline_s=0.03, name=name) for _ in range(5)))
        assert {error.kind for error in doomed if isinstance(error, MienError)} == {Kind.DEADLINE_EXCEEDED}
        assert await asyncio.gather(*first) == [1] * 4
        for answered in (5, 6):
            assert await ask(backend, name=name) == 1
            await seconds_until(lambda count=before + answered: triton.counted("nv_inference_count", name) >= count)
        assert triton.counted("nv_inference_count", name) == before + 6, "the doomed were run"


async def refusal(server: Triton, repository: Path) -> str:
    backend = TritonBackend(server.address, repository, Ledger(), start_s=1.0)
    with pytest.raises(RepositoryError) as caught:
        await backend.start()
    await backend.close()
    assert not backend.ready()
    return str(caught.value)


async def test_a_triton_that_serves_something_else_is_refused_in_a_sentence(tmp_path: Path, triton: Triton) -> None:
    triton.serve(write_classifier(tmp_path / "served", instances=1))
    write_classifier(tmp_path / "missing", name="expression_classifier_small")
    assert "does not serve expression_classifier_small" in await refusal(triton, tmp_path / "missing")
    write_classifier(tmp_path / "newer", version=2)
    assert "in version 1, the repository here has 2" in await refusal(triton, tmp_path / "newer")
    write_classifier(tmp_path / "larger", max_batch_size=64)
    assert "takes 8 rows of expression_classifier at once" in await refusal(triton, tmp_path / "larger")
    write_classifier(tmp_path / "smaller", fault="another size")
    assert "has the inputs faces [n, 112, 112, 3] uint8" in await refusal(triton, tmp_path / "smaller")


async def test_a_triton_that_does_not_come_is_named(tmp_path: Path, triton: Triton) -> None:
    write_classifier(tmp_path)
    port = free_ports(1)[0]
    backend = TritonBackend(f"127.0.0.1:{port}", tmp_path, Ledger(), start_s=0.5)
    with pytest.raises(RepositoryError, match=f"No Triton is ready at 127.0.0.1:{port}. Start it"):
        await backend.start()
    await backend.close()

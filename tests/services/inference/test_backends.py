"""What services may rely on whoever runs the models: this process, or a real Triton. Real, tiny models."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from services import calls
from services.domain import RGB
from services.errors import Kind, MienError
from services.inference.backend import Backend, Inference
from services.inference.embedded import EmbeddedBackend
from services.inference.triton import TritonBackend
from tests.services.inference.observers import Ledger
from tests.services.inference.toy_repository import toy_faces, toy_probabilities, write_classifier
from tests.triton_server import Triton

NAME = "expression_classifier"
Make = Callable[[Path, Ledger], Backend]
Serving = Callable[[Path], AbstractAsyncContextManager[Backend]]


@pytest.fixture(params=["embedded", "triton"])
def make(request: pytest.FixtureRequest) -> Make:
    """A backend over a repository, not started; Triton has been given its entries."""
    if request.param == "embedded":
        return EmbeddedBackend
    triton: Triton = request.getfixturevalue("triton")

    def make_triton(repository: Path, ledger: Ledger) -> Backend:
        for entry in repository.iterdir():
            triton.serve(entry)
        return TritonBackend(triton.address, repository, ledger)

    return make_triton


@pytest.fixture
def serving(make: Make) -> Serving:
    @asynccontextmanager
    async def serving(repository: Path) -> AsyncIterator[Backend]:
        backend = make(repository, Ledger())
        await backend.start()
        try:
            yield backend
        finally:
            await backend.close()

    return serving


async def ask(backend: Backend, faces: RGB, deadline_s: float | None = 60) -> Inference:
    return await backend.infer(NAME, {"faces": faces}, deadline_s=deadline_s)


async def probabilities(backend: Backend, faces: RGB) -> NDArray[np.float32]:
    return (await ask(backend, faces)).outputs["probabilities"]


async def refusal(backend: Backend, model: str, **inputs: NDArray[np.generic]) -> MienError:
    with pytest.raises(MienError) as caught:
        await backend.infer(model, inputs, deadline_s=60)
    return caught.value


async def test_it_answers_with_the_models_probabilities(tmp_path: Path, serving: Serving) -> None:
    write_classifier(tmp_path, version=3, instances=1)
    async with serving(tmp_path) as backend:
        faces = toy_faces(5)
        answer = await ask(backend, faces)
        assert answer.outputs["probabilities"].dtype == np.float32
        np.testing.assert_allclose(answer.outputs["probabilities"], toy_probabilities(faces), atol=1e-4)
        assert answer.version == 3
        assert answer.queue_s >= 0
        assert answer.inference_s > 0
        assert backend.specs()[NAME].version == 3


@pytest.mark.parametrize(("max_batch_size", "delay_us", "instances"), [(3, 500, 1), (8, 0, 2)])
async def test_64_at_once_get_bit_for_bit_what_each_gets_alone(
    tmp_path: Path, serving: Serving, max_batch_size: int, delay_us: int, instances: int
) -> None:
    write_classifier(tmp_path, max_batch_size=max_batch_size, max_queue_delay_us=delay_us, instances=instances)
    async with serving(tmp_path) as backend:
        callers = [toy_faces(1 + index % 5, seed=index) for index in range(64)]
        alone = [await probabilities(backend, faces) for faces in callers]
        together = await asyncio.gather(*(probabilities(backend, faces) for faces in callers))
        for one, other in zip(alone, together, strict=True):
            assert one.tobytes() == other.tobytes()


async def test_what_is_not_there_or_not_fitting_is_refused(tmp_path: Path, serving: Serving) -> None:
    write_classifier(tmp_path)
    async with serving(tmp_path) as backend:
        unknown = await refusal(backend, "statue_classifier", faces=toy_faces(1))
        assert (unknown.kind, unknown.field) == (Kind.UNKNOWN_MODEL, "model")
        assert NAME in unknown.detail
        small = await refusal(backend, NAME, faces=toy_faces(1)[:, :96])
        assert (small.kind, small.field) == (Kind.BAD_PARAMETER, "faces")


async def test_more_rows_than_a_batch_come_back_joined_in_their_order(tmp_path: Path, serving: Serving) -> None:
    write_classifier(tmp_path, max_batch_size=3, max_queue_size=1, instances=1)
    async with serving(tmp_path) as backend:
        faces = np.concatenate([toy_faces(1, seed=number) for number in range(11)])
        np.testing.assert_allclose(await probabilities(backend, faces), toy_probabilities(faces), atol=1e-4)


async def test_a_face_that_fails_fails_alone(tmp_path: Path, serving: Serving) -> None:
    write_classifier(tmp_path, fault="fails on white", instances=1)
    async with serving(tmp_path) as backend:
        good, white = toy_faces(3), np.full((1, 112, 112, 3), 255, np.uint8)
        first, error, second = await asyncio.gather(
            ask(backend, good), refusal(backend, NAME, faces=white), ask(backend, good)
        )
        assert error.kind is Kind.UNAVAILABLE
        assert "onnx" not in error.detail.lower()
        np.testing.assert_allclose(first.outputs["probabilities"], toy_probabilities(good), atol=1e-4)
        np.testing.assert_array_equal(first.outputs["probabilities"], second.outputs["probabilities"])
        assert backend.ready()


async def test_the_deadline_is_kept(tmp_path: Path, serving: Serving) -> None:
    write_classifier(tmp_path, fault="slow", instances=1)
    async with serving(tmp_path) as backend:
        with pytest.raises(MienError) as caught:
            await ask(backend, toy_faces(1), deadline_s=0.005)
        assert caught.value.kind is Kind.DEADLINE_EXCEEDED
        assert (await ask(backend, toy_faces(1))).version == 1, "nobody else is hurt"


async def test_it_is_ready_from_start_to_close_and_finishes_what_is_in_flight(tmp_path: Path, make: Make) -> None:
    write_classifier(tmp_path, fault="slow", instances=1)
    backend = make(tmp_path, Ledger())
    assert not backend.ready()
    with pytest.raises(MienError) as early:  # not that there are none: nobody can say yet
        backend.specs()
    assert early.value.kind is Kind.NOT_READY
    assert (await refusal(backend, NAME, faces=toy_faces(1))).kind is Kind.NOT_READY
    await backend.start()
    assert backend.ready()
    in_flight = asyncio.create_task(ask(backend, toy_faces(1)))
    await asyncio.sleep(0)
    closing = asyncio.create_task(backend.close())
    await asyncio.sleep(0)
    assert not backend.ready()
    assert (await refusal(backend, NAME, faces=toy_faces(1))).kind is Kind.NOT_READY
    await closing
    assert in_flight.result().outputs["probabilities"].shape == (1, 7)


async def test_patient_callers_wait_where_others_are_refused(tmp_path: Path, serving: Serving) -> None:
    write_classifier(tmp_path, fault="slow", max_batch_size=1, max_queue_size=1, instances=1)

    async def ask_as(patient: bool) -> Inference:
        with calls.answering("one", 60.0, patient=patient):
            return await ask(backend, toy_faces(1), deadline_s=None)

    async with serving(tmp_path) as backend:
        answers = await asyncio.gather(*(ask_as(patient=True) for _ in range(4)))
        assert len(answers) == 4
        errors = [
            answer
            for answer in await asyncio.gather(*(ask_as(patient=False) for _ in range(6)), return_exceptions=True)
            if isinstance(answer, MienError)
        ]
        assert errors
        assert {error.kind for error in errors} == {Kind.QUEUE_FULL}
        assert all(error.retry_after_s > 0 for error in errors)


async def test_single_calls_go_before_patient_ones(tmp_path: Path, serving: Serving) -> None:
    write_classifier(tmp_path, fault="slow", max_batch_size=1, max_queue_size=1, instances=1)
    order: list[str] = []

    async def ask_as(name: str) -> None:
        with calls.answering(name, 60.0, patient=name == "patient"):
            await ask(backend, toy_faces(1))
        order.append(name)

    async with serving(tmp_path) as backend:
        patient = [asyncio.create_task(ask_as("patient")) for _ in range(4)]
        await asyncio.sleep(0.1)  # the first of them runs, the others wait
        await asyncio.gather(ask_as("single"), *patient)
    assert order.index("single") < len(order) - 1

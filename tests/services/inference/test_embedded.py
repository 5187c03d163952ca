"""The embedded backend with real, tiny models: what the services may rely on."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from services import calls
from services.domain import RGB
from services.errors import Kind, MienError
from services.inference.backend import Backend, Inference
from services.inference.embedded import EmbeddedBackend
from services.inference.repository import RepositoryError
from tests.services.inference.observers import Ledger
from tests.services.inference.toy_repository import Fault, toy_faces, toy_probabilities, write_classifier

NAME = "expression_classifier"


@asynccontextmanager
async def serving(repository: Path, ledger: Ledger | None = None) -> AsyncIterator[Backend]:
    backend: Backend = EmbeddedBackend(repository, ledger or Ledger())
    await backend.start()
    try:
        yield backend
    finally:
        await backend.close()


async def ask(backend: Backend, faces: RGB, deadline_s: float | None = 10) -> Inference:
    return await backend.infer(NAME, {"faces": faces}, deadline_s=deadline_s)


async def probabilities(backend: Backend, faces: RGB) -> NDArray[np.float32]:
    return (await ask(backend, faces)).outputs["probabilities"]


async def refusal(backend: Backend, model: str, **inputs: NDArray[np.generic]) -> MienError:
    with pytest.raises(MienError) as caught:
        await backend.infer(model, inputs, deadline_s=10)
    return caught.value


async def test_it_answers_with_the_models_probabilities(tmp_path: Path) -> None:
    write_classifier(tmp_path, version=3)
    async with serving(tmp_path) as backend:
        faces = toy_faces(5)
        answer = await ask(backend, faces)
        assert answer.outputs["probabilities"].dtype == np.float32
        np.testing.assert_allclose(answer.outputs["probabilities"], toy_probabilities(faces), atol=1e-4)
        assert answer.version == 3
        assert answer.queue_s >= 0
        assert answer.inference_s > 0
        assert backend.specs()[NAME].version == 3


@pytest.mark.parametrize(("max_batch_size", "delay_us", "instances"), [(8, 0, 2), (32, 2000, 1), (3, 500, 3)])
async def test_64_at_once_get_bit_for_bit_what_each_gets_alone(
    tmp_path: Path, max_batch_size: int, delay_us: int, instances: int
) -> None:
    write_classifier(tmp_path, max_batch_size=max_batch_size, max_queue_delay_us=delay_us, instances=instances)
    ledger = Ledger()
    async with serving(tmp_path, ledger) as backend:
        callers = [toy_faces(1 + index % 5, seed=index) for index in range(64)]
        alone = [await probabilities(backend, faces) for faces in callers]
        batches_alone = len(ledger.batches)
        together = await asyncio.gather(*(probabilities(backend, faces) for faces in callers))
        for one, other in zip(alone, together, strict=True):
            assert one.tobytes() == other.tobytes()
        assert len(ledger.batches) - batches_alone < batches_alone, "nobody was joined"
        assert max(rows for rows, _ in ledger.batches) <= max_batch_size


async def test_a_face_that_fails_fails_alone(tmp_path: Path) -> None:
    write_classifier(tmp_path, fault="fails on white")
    ledger = Ledger()
    async with serving(tmp_path, ledger) as backend:
        assert ledger.loads == [backend.specs()[NAME].model]
        good, white = toy_faces(3), np.full((1, 112, 112, 3), 255, np.uint8)
        first, error, second = await asyncio.gather(
            ask(backend, good), refusal(backend, NAME, faces=white), ask(backend, good)
        )
        assert error.kind is Kind.UNAVAILABLE
        assert "onnx" not in error.detail.lower()
        assert ledger.broken.keys() == {Kind.UNAVAILABLE}
        np.testing.assert_allclose(first.outputs["probabilities"], toy_probabilities(good), atol=1e-4)
        np.testing.assert_array_equal(first.outputs["probabilities"], second.outputs["probabilities"])
        assert backend.ready()


async def test_the_event_loop_lives_while_a_model_runs_and_the_deadline_is_kept(tmp_path: Path) -> None:
    write_classifier(tmp_path, fault="slow")
    ledger = Ledger()
    async with serving(tmp_path, ledger) as backend:
        with pytest.raises(MienError) as caught:
            await ask(backend, toy_faces(1), deadline_s=0.005)
        assert caught.value.kind is Kind.DEADLINE_EXCEEDED
        assert ledger.batches == [], "the model had ended before the caller heard"


async def test_what_is_not_there_or_not_fitting_is_refused(tmp_path: Path) -> None:
    write_classifier(tmp_path)
    async with serving(tmp_path) as backend:
        unknown = await refusal(backend, "statue_classifier", faces=toy_faces(1))
        assert (unknown.kind, unknown.field) == (Kind.UNKNOWN_MODEL, "model")
        assert NAME in unknown.detail
        small = await refusal(backend, NAME, faces=toy_faces(1)[:, :96])
        assert (small.kind, small.field) == (Kind.BAD_PARAMETER, "faces")


async def test_it_is_ready_from_start_to_close_and_finishes_what_is_in_flight(tmp_path: Path) -> None:
    write_classifier(tmp_path, fault="slow")
    backend = EmbeddedBackend(tmp_path, Ledger())
    assert not backend.ready()
    assert backend.specs() == {}
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


@pytest.mark.parametrize(
    ("fault", "sentence"),
    [
        ("damaged graph", "onnxruntime cannot load model.onnx"),
        ("fixed batch axis", "the first axis of input 'faces' must be dynamic"),
        ("another size", "says input faces [n, 96, 96, 3] uint8, model.onnx has ['n', 112, 112, 3] uint8"),
        ("another dtype", "says input faces [n, 112, 112, 3] uint8, model.onnx has ['n', 112, 112, 3] int8"),
        ("another input", "has the inputs ['faces'], model.onnx has ['images']"),
        ("no model file", "has no 1/model.onnx"),
    ],
)
async def test_a_graph_that_is_not_what_its_config_says_is_refused(tmp_path: Path, fault: Fault, sentence: str) -> None:
    write_classifier(tmp_path, fault=fault)
    backend = EmbeddedBackend(tmp_path, Ledger())
    with pytest.raises(RepositoryError) as caught:
        await backend.start()
    assert sentence in str(caught.value)
    assert "\n" not in str(caught.value)
    assert not backend.ready()


async def test_patient_callers_wait_where_others_are_refused(tmp_path: Path) -> None:
    write_classifier(tmp_path, fault="slow", max_batch_size=1, max_queue_size=1, instances=1)

    async def ask_as(patient: bool) -> Inference:
        with calls.answering("one", 60.0, patient=patient):
            return await ask(backend, toy_faces(1), deadline_s=None)

    async with serving(tmp_path) as backend:
        answers = await asyncio.gather(*(ask_as(patient=True) for _ in range(4)))
        assert len(answers) == 4
        kinds = [
            answer.kind
            for answer in await asyncio.gather(*(ask_as(patient=False) for _ in range(4)), return_exceptions=True)
            if isinstance(answer, MienError)
        ]
        assert kinds
        assert set(kinds) == {Kind.QUEUE_FULL}

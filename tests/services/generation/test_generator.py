"""Faces and a target → rendered faces and masks, with a tiny generator."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import numpy as np
import pytest
import pytest_asyncio

from services.domain import ACTION_UNITS, MOST_ROWS, RGB, Generator, Target
from services.errors import Kind, MienError
from services.generation.generator import ExpressionGenerator
from services.inference.embedded import EmbeddedBackend
from services.inference.repository import RepositoryError
from tests.services.generation.toy_generator import AU12, MIDDLE, toy_rendered, write_generator
from tests.services.inference.observers import Ledger

LEDGER = Ledger()


@pytest_asyncio.fixture
async def backend(tmp_path: Path) -> AsyncIterator[EmbeddedBackend]:
    write_generator(tmp_path, delay_us=100_000)
    LEDGER.batches.clear()
    backend = EmbeddedBackend(tmp_path, LEDGER)
    await backend.start()
    yield backend
    await backend.close()


def faces(count: int) -> RGB:
    return np.random.default_rng(0).integers(0, 256, (count, 128, 128, 3), np.uint8)


def units(count: int) -> np.ndarray:  # type: ignore[type-arg]
    return np.random.default_rng(1).random((count, len(ACTION_UNITS)), np.float32)


async def test_each_face_gets_its_own_change_in_every_frame(backend: EmbeddedBackend) -> None:
    crops, present = faces(3), units(3)
    generator: Generator = ExpressionGenerator(backend)
    made = await generator.generate(crops, present, Target("happiness"), intensity=0.5, steps=5)
    assert made.rendered.shape == (5, 3, 128, 128, 3)
    for frame, wanted in zip(made.rendered, made.wanted, strict=True):
        expected = toy_rendered(crops, wanted - present)
        assert np.abs(frame.astype(int) - expected).max() <= 1
    np.testing.assert_allclose(made.wanted[-1][:, AU12], 0.5 + 0.5 * present[:, AU12], atol=1e-6)
    assert (made.masks[:, :, MIDDLE, MIDDLE] == 255).all()
    assert (made.masks[:, :, 0] == 0).all()
    assert made.model.name == "expression_generator"
    assert sum(rows for rows, _ in LEDGER.batches) == 15
    assert max(rows for rows, _ in LEDGER.batches) == 8  # as many as fit a batch


async def test_no_change_gives_the_faces_back(backend: EmbeddedBackend) -> None:
    crops = faces(2)
    made = await ExpressionGenerator(backend).generate(crops, units(2), Target("anger"), intensity=0.0)
    np.testing.assert_array_equal(made.rendered[0], crops)
    assert not made.masks.any()


async def test_callers_at_once_share_batches(backend: EmbeddedBackend) -> None:
    generator = ExpressionGenerator(backend)
    made = await asyncio.gather(*(generator.generate(faces(1), units(1), Target("happiness")) for _ in range(4)))
    assert len(LEDGER.batches) < 4
    for one in made:
        np.testing.assert_array_equal(one.rendered, made[0].rendered)


@pytest.mark.parametrize(
    ("crops", "present", "field"),
    [
        (np.zeros((0, 128, 128, 3), np.uint8), units(0), "crops"),
        (np.zeros((1, 112, 112, 3), np.uint8), units(1), "crops"),
        (faces(1), units(2), "present"),
        (faces(1), units(1) + 1, "present"),
        (faces(1), units(1) * np.nan, "present"),
    ],
)
async def test_rows_that_are_none_are_refused(
    backend: EmbeddedBackend,
    crops: RGB,
    present: np.ndarray,  # type: ignore[type-arg]
    field: str,
) -> None:
    with pytest.raises(MienError) as caught:
        await ExpressionGenerator(backend).generate(crops, present, Target("anger"))
    assert (caught.value.kind, caught.value.field) == (Kind.BAD_PARAMETER, field)


async def test_too_many_rows_are_refused_before_any_is_rendered(backend: EmbeddedBackend) -> None:
    crops = np.broadcast_to(faces(1), (MOST_ROWS // 32 + 1, 128, 128, 3))
    with pytest.raises(MienError) as caught:
        await ExpressionGenerator(backend).generate(crops, units(len(crops)), Target("anger"), steps=32)
    assert caught.value.field == "steps"
    assert not LEDGER.batches


async def test_an_unknown_model_is_not_found(backend: EmbeddedBackend) -> None:
    with pytest.raises(MienError) as caught:
        await ExpressionGenerator(backend).generate(faces(1), units(1), Target("anger"), model="nobody")
    assert caught.value.kind is Kind.UNKNOWN_MODEL


async def test_without_an_entry_there_is_no_model_and_a_call_says_so(tmp_path: Path) -> None:
    backend = EmbeddedBackend(tmp_path, Ledger())
    await backend.start()
    generator = ExpressionGenerator(backend)
    await generator.check()
    assert await generator.models() == ()
    with pytest.raises(MienError, match="expression_generator") as caught:
        await generator.generate(faces(1), units(1), Target("anger"))
    assert caught.value.kind is Kind.NOT_IMPLEMENTED
    await backend.close()


async def test_an_entry_that_is_no_generator_is_one_sentence_at_the_start(tmp_path: Path) -> None:
    write_generator(tmp_path, "expression_generator_other", units=16)
    backend = EmbeddedBackend(tmp_path, Ledger())
    await backend.start()
    with pytest.raises(RepositoryError, match=r"expression_generator_other/config.pbtxt must have 2 inputs, .*change"):
        await ExpressionGenerator(backend).check()
    await backend.close()

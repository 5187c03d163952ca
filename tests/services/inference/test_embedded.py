"""The embedded backend's own promises; what it shares with Triton is in test_backends."""

from __future__ import annotations

import asyncio
from pathlib import Path

import numpy as np
import pytest

from services.classification.classifier import ExpressionClassifier
from services.errors import Kind, MienError
from services.inference.embedded import EmbeddedBackend
from services.inference.repository import RepositoryError
from tests.services.inference.observers import Ledger
from tests.services.inference.toy_repository import Fault, toy_faces, write_classifier

NAME = "expression_classifier"


async def test_callers_at_once_are_joined_and_no_batch_is_too_large(tmp_path: Path) -> None:
    write_classifier(tmp_path, max_batch_size=8)
    ledger = Ledger()
    backend = EmbeddedBackend(tmp_path, ledger)
    await backend.start()
    await asyncio.gather(*(backend.infer(NAME, {"faces": toy_faces(2)}, deadline_s=30) for _ in range(32)))
    await backend.close()
    assert len(ledger.batches) < 32, "nobody was joined"
    assert max(rows for rows, _ in ledger.batches) <= 8


async def test_a_load_and_a_batch_that_fails_are_told(tmp_path: Path) -> None:
    write_classifier(tmp_path, fault="fails on white")
    ledger = Ledger()
    backend = EmbeddedBackend(tmp_path, ledger)
    await backend.start()
    assert ledger.loads == [backend.specs()[NAME].model]
    with pytest.raises(MienError):
        await backend.infer(NAME, {"faces": np.full((1, 112, 112, 3), 255, np.uint8)}, deadline_s=30)
    assert ledger.broken.keys() == {Kind.UNAVAILABLE}
    await backend.close()


async def test_who_asks_before_the_models_are_loaded_is_told_later_and_not_that_there_are_none(tmp_path: Path) -> None:
    write_classifier(tmp_path)
    backend = EmbeddedBackend(tmp_path, Ledger())
    classifier = ExpressionClassifier(backend)
    for early in (classifier.models(), classifier.classify(toy_faces(1))):
        with pytest.raises(MienError) as caught:
            await early
        assert caught.value.kind is Kind.NOT_READY
    await backend.start()
    assert [model.model.name for model in await classifier.models()] == [NAME]
    await backend.close()


async def test_the_event_loop_lives_while_a_model_runs(tmp_path: Path) -> None:
    write_classifier(tmp_path, fault="slow")
    ledger = Ledger()
    backend = EmbeddedBackend(tmp_path, ledger)
    await backend.start()
    with pytest.raises(MienError) as caught:
        await backend.infer(NAME, {"faces": toy_faces(1)}, deadline_s=0.005)
    assert caught.value.kind is Kind.DEADLINE_EXCEEDED
    assert ledger.batches == [], "the model had ended before the caller heard"
    await backend.close()


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

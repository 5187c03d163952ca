"""A gateway in this process answers as the served one does."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from mien.batch.embedded import Embedded
from mien.batch.refusals import RefusalError
from mien.client import Client
from tests.stack import Stack


@pytest.fixture
def embedded(toy_repository: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Embedded]:
    monkeypatch.setenv("MIEN_MODEL_REPOSITORY", str(toy_repository))
    models = Embedded()
    yield models
    models.unload()


def test_it_answers_what_the_served_gateway_answers(embedded: Embedded, toy_stack: Stack, photo: bytes) -> None:
    items = [("good", photo), ("text", b"text"), ("empty", b""), ("large", bytes(11 << 20)), *[("more", photo)] * 40]
    with Client(toy_stack.address()) as client:
        served = list(client.classify_stream(iter(items), whole_picture=True))
    here = list(embedded.classify_stream(iter(items), whole_picture=True))
    assert [outcome.id for outcome in here] == [name for name, _ in items]
    for one, other in zip(here, served, strict=True):
        assert (one.error and (one.error.code, one.error.detail)) == (
            other.error and (other.error.code, other.error.detail)
        )
        if one.result:
            assert one.result.faces == other.result.faces
            assert one.result.model == other.result.model


def test_it_lists_its_classifiers(embedded: Embedded) -> None:
    (model,) = embedded.models().models
    assert (model.model.name, model.role, model.default) == ("expression_classifier", "expression_classifier", True)


def test_a_stream_that_is_left_is_given_up_and_the_next_one_is_answered(embedded: Embedded, photo: bytes) -> None:
    for _ in embedded.classify_stream((str(number), photo) for number in range(10_000)):
        break
    assert [outcome.id for outcome in embedded.classify_stream([("next", photo)])] == ["next"]


@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [("MIEN_MODEL_REPOSITORY", "nowhere", "nowhere"), ("MIEN_TIMEOUT_S", "soon", "MIEN_TIMEOUT_S: ")],
)
def test_a_setting_that_is_wrong_is_a_sentence(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, sentence: str
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(RefusalError, match=f"cannot load the models: .*{sentence}"):
        Embedded()

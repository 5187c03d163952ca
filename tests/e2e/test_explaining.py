"""explain=true through the real gateway."""

from __future__ import annotations

import base64
import io
import math
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from PIL import Image

from mien import CallError, Client
from tests.e2e.test_rest import assert_problem, post
from tests.stack import Stack, running

PICTURE = (Path(__file__).resolve().parents[1] / "pictures" / "statue_0.jpg").read_bytes()


@pytest.fixture(scope="module")
def stack(real_repository: Path) -> Iterator[Stack]:
    with running("all", model_repository=real_repository) as process:
        yield process


def test_a_face_is_explained_by_a_picture_numbers_and_action_units(stack: Stack) -> None:
    plain = post(stack, files={"image": PICTURE}).json()["faces"]
    (face,) = post(stack, "/v1/classify?explain=true", files={"image": PICTURE}).json()["faces"]
    explanation = face.pop("explanation")
    assert [face] == plain, "the answer is the same with and without"
    picture = Image.open(io.BytesIO(base64.b64decode(explanation["heat_map"])))
    assert (picture.format, picture.size) == ("PNG", (224, 224))
    assert len({len(row) for row in explanation["evidence"]}) == 1
    for_it = sum(map(sum, explanation["evidence"]))
    # the log-odds against the mean of all seven
    logs = [math.log(max(share, 1e-12)) for share in face["probabilities"].values()]
    assert for_it == pytest.approx(max(logs) - sum(logs) / 7, abs=0.01)
    assert all(face["action_units"][name] == value for name, value in explanation["action_units"].items())


def test_grpc_explains_alike(stack: Stack) -> None:
    document = post(stack, "/v1/classify?explain=true", files={"image": PICTURE}).json()["faces"][0]["explanation"]
    with Client(stack.address()) as client:
        reply = client.classify(PICTURE, explain=True).faces[0].explanation
        assert not client.classify(PICTURE).faces[0].HasField("explanation")
    assert reply.heat_map == base64.b64decode(document["heat_map"])
    assert (reply.evidence.rows, reply.evidence.columns) == (4, 4)
    cells = [cell for row in document["evidence"] for cell in row]
    assert list(reply.evidence.values) == pytest.approx(cells, abs=1e-4)


def test_a_model_that_cannot_explain_says_so(toy_stack: Stack, photo: bytes) -> None:
    response = post(toy_stack, "/v1/classify?explain=true", files={"image": photo})
    assert "explain" in str(assert_problem(response, 422, "bad_parameter")["errors"])
    with Client(toy_stack.address()) as client, pytest.raises(CallError, match="leave explain out"):
        client.classify(photo, explain=True)


def test_explain_is_true_or_false(toy_stack: Stack, photo: bytes) -> None:
    response = httpx.post(toy_stack.url() + "/v1/classify?explain=perhaps", files={"image": photo})
    assert_problem(response, 422, "bad_parameter")

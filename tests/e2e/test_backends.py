"""The gateway with the committed models, run by its own process and by a real Triton: the same answers from both."""

from __future__ import annotations

import time
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

import httpx
import numpy as np
import pytest
from PIL import Image

from mien import Client
from tests import triton_server
from tests.conftest import encoded, statue
from tests.stack import Stack, running
from tests.triton_server import Triton


@pytest.fixture(scope="module")
def served(real_repository: Path) -> Iterator[Triton]:
    """Triton on the committed repository as it is."""
    with triton_server.running(real_repository) as server:
        yield server


@pytest.fixture(scope="module")
def stacks(served: Triton, real_repository: Path) -> Iterator[dict[str, Stack]]:
    """The stack on either backend, by the backend's name."""
    with (
        running("all", model_repository=real_repository) as embedded,
        running("all", model_repository=real_repository, backend="triton", triton_address=served.address) as triton,
    ):
        yield {"embedded": embedded, "triton": triton}


@pytest.fixture(params=["embedded", "triton"])
def stack(request: pytest.FixtureRequest, stacks: dict[str, Stack]) -> Stack:
    return stacks[request.param]


def photo(first: int, count: int) -> bytes:
    """So many statues side by side."""
    canvas = Image.linear_gradient("L").resize((200 + 240 * count, 360)).convert("RGB")
    for place in range(count):
        canvas.paste(statue(first + place).resize((220, 220)), (110 + 240 * place, 70))
    return encoded(canvas)


PHOTO = photo(0, 2)


def post(stack: Stack, path: str, **query: object) -> httpx.Response:
    response = httpx.post(stack.url() + path, files={"image": PHOTO}, params=query, timeout=60)  # type: ignore[arg-type]
    assert response.status_code == 200, response.text
    return response


def test_faces_are_found_and_read(stack: Stack) -> None:
    found = post(stack, "/v1/detect").json()["faces"]
    read = post(stack, "/v1/classify").json()
    assert len(found) == len(read["faces"]) == 2
    assert all(len(face["landmarks"]) == 68 for face in read["faces"])
    assert read["model"]["version"] > 0


def test_an_expression_is_put_on_the_faces(stack: Stack) -> None:
    picture = Image.open(BytesIO(post(stack, "/v1/generate", expression="happiness").content))
    before = np.asarray(Image.open(BytesIO(PHOTO)).convert("RGB"), np.int16)
    assert np.abs(np.asarray(picture.convert("RGB"), np.int16) - before).max() > 20


def test_a_stream_keeps_its_order(stack: Stack) -> None:
    items = [(str(number), photo(number, number % 3)) for number in range(6)]
    with Client(stack.address(), timeout_s=120) as client:
        outcomes = list(client.classify_stream(items))
    assert [outcome.id for outcome in outcomes] == [name for name, _ in items]
    assert [len(outcome.result.faces) for outcome in outcomes] == [0, 1, 2, 0, 1, 2]


def test_both_give_the_same_numbers(stacks: dict[str, Stack]) -> None:
    ours, theirs = (post(stacks[name], "/v1/classify").json()["faces"] for name in ("embedded", "triton"))
    for one, other in zip(ours, theirs, strict=True):
        assert one["probabilities"] == pytest.approx(other["probabilities"], abs=1e-4)
        assert one["action_units"] == pytest.approx(other["action_units"], abs=1e-4)
        np.testing.assert_allclose(one["landmarks"], other["landmarks"], atol=0.01)


def test_tritons_batches_are_its_own_to_count_and_our_failures_ours(stacks: dict[str, Stack], served: Triton) -> None:
    post(stacks["triton"], "/v1/classify")
    assert served.counted("nv_inference_count", "expression_classifier") >= 2
    metrics = httpx.get(stacks["triton"].url() + "/metrics").text
    assert 'mien_backend_up{model="expression_classifier"} 1.0' in metrics
    assert 'mien_backend_duration_seconds_count{model="face_detector"}' in metrics


def test_when_triton_is_killed_callers_get_a_503_at_once_and_the_gateway_lives(
    stacks: dict[str, Stack], served: Triton
) -> None:
    stack = stacks["triton"]
    served.kill()  # the last test of this module: the others need it
    begun = time.monotonic()
    response = httpx.post(stack.url() + "/v1/classify", files={"image": PHOTO}, timeout=30)
    assert time.monotonic() - begun < 5
    assert response.status_code == 503, response.text
    assert response.headers["content-type"] == "application/problem+json"
    assert response.json()["code"] == "unavailable"
    assert response.json()["retryable"] is True
    assert not any(word in response.text for word in (served.address, "Socket", "connect", "riton"))
    while httpx.get(stack.url() + "/readyz", timeout=30).status_code == 200:
        assert time.monotonic() - begun < 5
        time.sleep(0.05)
    assert httpx.get(stack.url() + "/livez", timeout=30).status_code == 200
    refused = httpx.get(stack.url() + "/metrics", timeout=30).text
    assert 'mien_inference_dropped_total{model="face_detector",reason="unavailable"}' in refused
    assert "Traceback" not in stack.log.read_text()

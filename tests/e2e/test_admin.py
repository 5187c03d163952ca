"""The admin port of a real process, and `mien models`: versions come, go and are refused while callers are answered."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from typer.testing import CliRunner

from mien.cli import app
from tests.services.inference.toy_repository import write_classifier
from tests.stack import Stack, free_ports, running

NAME = "expression_classifier"


@dataclass(frozen=True, slots=True)
class Served:
    """A process with an admin port, and its repository."""

    stack: Stack
    repository: Path
    admin: str

    def post(self, path: str, body: object = None, **headers: str) -> httpx.Response:
        return httpx.post(f"http://{self.admin}/v1/admin/models/{path}", json=body, headers=headers, timeout=120)

    def model(self) -> dict[str, Any]:
        models: list[dict[str, Any]] = httpx.get(f"http://{self.admin}/v1/admin/models", timeout=60).json()["models"]
        return next(model for model in models if model["name"] == NAME)

    def version_that_answers(self, photo: bytes) -> int:
        files = {"image": photo}
        response = httpx.post(self.stack.url() + "/v1/classify?detect=false", files=files, timeout=60)
        assert response.status_code == 200, response.text
        return int(response.json()["model"]["version"])

    def metrics(self) -> str:
        return httpx.get(self.stack.url() + "/metrics", timeout=60).text


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("repository")
    for version in (1, 2, 3):
        write_classifier(folder, version=version)
    port = free_ports(1)[0]
    candidates = {"canary": f"{NAME}=2:50", "shadow": f"{NAME}=2"}
    with running("all", model_repository=folder, admin_port=port, log_format="json", **candidates) as stack:
        yield Served(stack, folder, f"127.0.0.1:{port}")


def test_a_canary_and_a_shadow_stand_beside_the_version_that_answers(served: Served, photo: bytes) -> None:
    model = served.model()
    assert (model["on_disk"], model["loaded"], model["answering"]) == ([1, 2, 3], [2, 3], 3)
    assert (model["canary"], model["shadow"], model["state"]) == ({"version": 2, "percent": 50.0}, 2, "ready")
    assert {served.version_that_answers(photo) for _ in range(40)} == {2, 3}
    metrics = served.metrics()
    for version in (2, 3):
        assert f'mien_model_requests_total{{code="ok",model="{NAME}",version="{version}"}}' in metrics
        assert f'mien_model_inference_duration_seconds_count{{model="{NAME}",version="{version}"}}' in metrics
    deadline = time.monotonic() + 60
    while f'mien_shadow_total{{model="{NAME}",outcome="agreed"}}' not in served.metrics():
        assert time.monotonic() < deadline
        time.sleep(0.1)
    assert f'mien_shadow_distance_count{{model="{NAME}"}}' in served.metrics()


def test_under_traffic_it_rolls_back_and_forward_and_no_call_fails(served: Served, photo: bytes) -> None:
    answers: list[int] = []
    failures: list[BaseException] = []
    enough = threading.Event()

    def keep_asking() -> None:
        while not enough.is_set():
            try:
                answers.append(served.version_that_answers(photo))
            except BaseException as error:
                failures.append(error)

    assert served.post(f"{NAME}/unload", {"version": 2}).json()["loaded"] == [3]
    callers = [threading.Thread(target=keep_asking) for _ in range(4)]
    for caller in callers:
        caller.start()
    for version in (1, 2, 3):
        rolled = served.post(f"{NAME}/load", {"version": version})
        assert rolled.status_code == 200, rolled.text
        assert rolled.json()["answering"] == version
        assert served.version_that_answers(photo) == version
    enough.set()
    for caller in callers:
        caller.join()
    assert not failures
    assert {1, 2, 3} >= set(answers)
    assert f'mien_model_info{{model="{NAME}",version="3"}} 1.0' in served.metrics()
    assert f'mien_model_info{{model="{NAME}",version="1"}}' not in served.metrics()


def test_a_damaged_version_is_refused_and_the_old_one_answers(served: Served, photo: bytes) -> None:
    write_classifier(served.repository, version=9, fault="damaged graph")
    refused = served.post(f"{NAME}/load")  # the newest
    assert refused.status_code == 409
    assert refused.headers["content-type"] == "application/problem+json"
    assert refused.json()["code"] == "model_refused"
    assert "onnxruntime cannot load model.onnx" in refused.json()["detail"]
    assert "Version 3 goes on answering." in refused.json()["detail"]
    assert str(served.repository) not in refused.text + served.stack.log.read_text()
    assert "Traceback" not in served.stack.log.read_text()
    assert served.version_that_answers(photo) == 3


@pytest.mark.parametrize(
    ("path", "body", "status", "code"),
    [
        ("nobody/load", {}, 404, "unknown_model"),
        (f"{NAME}/load", {"version": 77}, 409, "model_refused"),
        (f"{NAME}/load", {"version": 0}, 422, "bad_parameter"),
        (f"{NAME}/load", {"verson": 1}, 422, "bad_parameter"),
        (f"{NAME}/unload", {"version": 3}, 409, "model_refused"),
        (f"{NAME}/unload", {"version": 1}, 409, "model_refused"),
        (f"{NAME}/unload", {}, 422, "bad_parameter"),
    ],
)
def test_what_cannot_be_done_is_a_problem(served: Served, path: str, body: object, status: int, code: str) -> None:
    response = served.post(path, body)
    assert (response.status_code, response.json()["code"]) == (status, code), response.text


def test_a_browsers_page_and_the_public_port_cannot_change_models(served: Served) -> None:
    assert served.post(f"{NAME}/load", {}, Origin="http://elsewhere.example").status_code == 400
    for service in ("gateway", "classification"):
        assert httpx.get(served.stack.url(service) + "/v1/admin/models", timeout=60).status_code == 404


def test_the_command_lists_loads_and_says_what_is_wrong(served: Served) -> None:
    def call(*words: str, **environment: str) -> tuple[int, str]:
        result = CliRunner().invoke(app, ["models", *words], env=environment)
        return result.exit_code, result.output

    code, output = call("list", MIEN_ADMIN_PORT=served.admin.partition(":")[2], COLUMNS="200")
    assert code == 0, output
    assert NAME in output
    assert call("load", NAME, "1", "--admin", served.admin) == (0, f"{NAME}: version 1 answers; loaded: 1\n")
    code, output = call("unload", NAME, "1", "--admin", served.admin)
    assert code == 2
    assert "(model_refused)" in output
    code, output = call("list", MIEN_ADMIN_PORT="0")
    assert (code, "name the admin port" in output) == (2, True)
    code, output = call("list", "--admin", f"127.0.0.1:{free_ports(1)[0]}")
    assert (code, "no admin port of Mien answers" in output) == (2, True)

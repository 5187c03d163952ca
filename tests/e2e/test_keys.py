"""A gateway that asks for keys: who is let in, what the others are told, and that no key is found in what it leaves."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import grpc
import httpx
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from typer.testing import CliRunner

from mien import AsyncClient, CallError, Client
from mien.cli import app
from mien.v1 import mien_pb2 as pb
from mien.v1 import mien_pb2_grpc
from tests import leaks
from tests.collector import Collector, collecting
from tests.e2e.refused import UNKNOWN, Guarded, guarded
from tests.e2e.test_rest import assert_problem
from tests.stack import running


@pytest.fixture(scope="module")
def collector() -> Iterator[Collector]:
    with collecting() as one:
        yield one


@pytest.fixture(scope="module")
def gateway(toy_repository: Path, collector: Collector, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guarded]:
    folder = tmp_path_factory.mktemp("keys")
    more = {
        "max_streams": 4,
        "cors_origins": "https://museum.example",
        "log_level": "debug",
        "otlp_endpoint": collector.address,
    }
    with guarded(toy_repository, folder, **more) as one:
        yield one


def test_each_refusal_is_the_same_on_both_transports_and_leaves_no_trace_of_a_key(
    gateway: Guarded, collector: Collector, photo: bytes
) -> None:
    expected = {
        "no key": (401, "unauthenticated"),
        "wrong key": (401, "unauthenticated"),
        "expired key": (401, "unauthenticated"),
        "key without the scope": (403, "permission_denied"),
        "over the key's rate": (429, "rate_exceeded"),
        "over the key's quota": (429, "quota_exceeded"),
    }
    statuses = {401: "UNAUTHENTICATED", 403: "PERMISSION_DENIED", 429: "RESOURCE_EXHAUSTED"}
    told = []
    for answers in gateway.refusals():
        status, code = expected.pop(answers.case)
        assert_problem(answers.rest, status, code)
        assert (answers.rpc.code().name, answers.reason()) == (statuses[status], code), answers.case
        assert answers.rpc.details() == answers.rest.json()["detail"] or status == 429  # there the numbers move
        assert ("www-authenticate" in answers.rest.headers) == (status == 401)
        assert (float(answers.rest.headers.get("retry-after", 0)) >= 1) == (status == 429)
        assert (answers.retry_after_s() > 0) == (status == 429)
        told += [answers.rest.text, str(answers.rest.headers), repr(answers.rpc)]
    assert not expected

    for name, data in (
        ("great-aunt.jpg", photo),
        ("great-aunt.jpg", photo[: len(photo) // 3]),
        ("great-aunt.txt", b""),
    ):
        told.append(gateway.post(gateway.keys["reads"], image=data, name=name).text)
    assert gateway.post(gateway.keys["reads"], image=photo).status_code == 200
    request_id = gateway.post(gateway.keys["reads"], image=photo).headers["x-request-id"]
    left = collector.wait(lambda spans: any(request_id in str(span.values) for span in spans))
    told += [str(left), gateway.stack.log.read_text()]
    told += [httpx.get(gateway.stack.url() + path, timeout=60).text for path in ("/metrics", "/status.json")]
    for secret in (*gateway.keys.values(), UNKNOWN):
        for form in (secret, secret.removeprefix("mien_"), hashlib.sha256(secret.encode()).hexdigest()):
            assert form not in "".join(told)
    assert "great-aunt" not in "".join(told)
    assert not leaks.found(photo, "".join(told))
    assert '"caller": "reads"' in gateway.stack.log.read_text()
    assert "reads" not in told[-2]  # metrics have labels of closed sets only


def test_every_port_of_the_process_asks_and_what_tells_how_it_is_does_not(gateway: Guarded) -> None:
    stack = gateway.stack
    for service in ("gateway", "detection", "classification", "generation"):
        answer = httpx.get(f"{stack.url(service)}/v1/models", timeout=60)
        assert_problem(answer, 401, "unauthenticated")
        for path in ("/livez", "/readyz", "/metrics", "/docs"):
            assert httpx.get(stack.url(service) + path, timeout=60).status_code == 200
        with grpc.insecure_channel(stack.address(service)) as channel:
            reply = health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest(), timeout=60)
            assert reply.status == health_pb2.HealthCheckResponse.SERVING
    with (
        grpc.insecure_channel(stack.address("classification")) as channel,
        pytest.raises(grpc.RpcError) as caught,
    ):
        stub = mien_pb2_grpc.ExpressionClassificationStub(channel)
        stub.ListModels(pb.ExpressionClassificationListModelsRequest(), timeout=60)
    assert caught.value.code() is grpc.StatusCode.UNAUTHENTICATED


async def test_both_clients_show_their_key_with_every_call(gateway: Guarded, photo: bytes) -> None:
    address, key = gateway.stack.address(), gateway.keys["reads"]
    with Client(address, key=key) as client:
        assert client.models().models
        (outcome,) = client.classify_stream([("one", photo)])
        assert outcome.error is None
    async with AsyncClient(address, key=key) as patient:
        assert (await patient.classify(photo, whole_picture=True)).faces
        outcomes = [one async for one in patient.classify_stream([("one", photo), ("two", b"")])]
        assert [one.error and one.error.code for one in outcomes] == [None, "missing_image"]
    with Client(address, key=UNKNOWN) as client, pytest.raises(CallError) as caught:
        list(client.classify_stream([("one", photo)]))
    assert (caught.value.code, caught.value.retryable) == ("unauthenticated", False)
    with pytest.raises(ValueError) as wrong:
        Client(address, key="two words")
    assert "two words" not in str(wrong.value)


def test_the_command_line_takes_the_key_from_a_file_or_the_environment(
    gateway: Guarded, photo: bytes, tmp_path: Path
) -> None:
    (tmp_path / "photo.jpg").write_bytes(photo)
    (tmp_path / "key").write_text(gateway.keys["reads"] + "\n")

    def classify(*words: str, key: str = "") -> tuple[int, str]:
        command = ["classify", str(tmp_path / "photo.jpg"), "--gateway", gateway.stack.address(), *words]
        result = CliRunner().invoke(app, command, env={"MIEN_KEY": key or None, "COLUMNS": "160"})
        return result.exit_code, result.output

    assert classify("--key-file", str(tmp_path / "key"))[0] == 0
    assert classify(key=gateway.keys["reads"])[0] == 0
    code, output = classify()
    assert (code, "(unauthenticated)" in output) == (2, True)
    code, output = classify("--key-file", str(tmp_path / "nowhere"))
    assert (code, "cannot be read" in output) == (2, True)
    table = str(tmp_path / "table.csv")
    assert classify("--to", table, key=gateway.keys["reads"])[0] == 0
    for key in ("", UNKNOWN):  # at once: no patience puts it right
        code, output = classify("--to", str(tmp_path / "other.csv"), key=key)
        assert (code, "(unauthenticated)" in output) == (2, True), output


def test_the_admin_port_asks_for_the_scope_admin(gateway: Guarded) -> None:
    url = f"http://{gateway.admin}/v1/admin/models"
    assert httpx.get(url, timeout=60).status_code == 401
    headers = {"X-Api-Key": gateway.keys["reads"]}
    assert_problem(httpx.get(url, headers=headers, timeout=60), 403, "permission_denied")
    words = ["models", "list", "--admin", gateway.admin]
    for key, code in ((gateway.keys["operates"], 0), (UNKNOWN, 2)):
        result = CliRunner().invoke(app, words, env={"MIEN_KEY": key})
        assert result.exit_code == code, result.output
        assert key not in result.output


def test_a_key_that_is_taken_away_ends_its_stream_and_a_new_one_is_taken(gateway: Guarded, photo: bytes) -> None:
    before = gateway.file.read_text()
    made = CliRunner().invoke(app, ["keys", "new", "later"])
    gateway.file.write_text(before + made.stdout)
    with Client(gateway.stack.address(), key=made.stderr.split()[-1]) as client:
        _until_let_in(client)

        def photos() -> Iterator[tuple[str, bytes]]:
            yield "before", photo
            gateway.file.write_text(before)
            for _ in range(300):
                time.sleep(0.1)
                yield "after", photo

        answered = []
        with pytest.raises(CallError) as caught:
            for outcome in client.classify_stream(photos(), whole_picture=True):
                answered.append(outcome.id)
    assert caught.value.code == "unauthenticated"
    assert answered[0] == "before"


def _until_let_in(client: Client) -> None:
    deadline = time.monotonic() + 60
    while True:
        try:
            client.models()
        except CallError:
            assert time.monotonic() < deadline
            time.sleep(0.1)
        else:
            return


def test_a_form_with_three_photos_counts_as_three_calls(gateway: Guarded, photo: bytes) -> None:
    headers = {"Authorization": f"Bearer {gateway.keys['five']}"}
    form = [("image", photo)] * 3
    answer = httpx.post(gateway.stack.url() + "/v1/classify", files=form, headers=headers, timeout=60)
    assert len(answer.json()["results"]) == 3
    codes = [gateway.post(gateway.keys["five"], image=photo).status_code for _ in range(3)]
    assert codes == [200, 200, 429]


def test_one_key_does_not_take_all_streams_from_another(gateway: Guarded) -> None:
    with ExitStack() as held:
        for _ in range(3):
            held.enter_context(gateway.stream(gateway.keys["reads"]))
        with pytest.raises(grpc.RpcError) as caught:
            held.enter_context(gateway.stream(gateway.keys["reads"]))
        assert "This key has its share of the 4 streams" in caught.value.details()
        held.enter_context(gateway.stream(gateway.keys["narrow"]))


def test_browsers_are_told_to_be_careful_and_other_pages_may_ask_only_where_they_are_named(gateway: Guarded) -> None:
    url = gateway.stack.url()
    told = httpx.get(url + "/v1/models", timeout=60).headers
    careful = {"x-content-type-options": "nosniff", "x-frame-options": "DENY", "cache-control": "no-store"}
    assert careful.items() <= dict(told).items()
    assert told["content-security-policy"].startswith("default-src 'none'; frame-ancestors 'none'")
    assert "strict-transport-security" not in told
    assert "script-src 'sha256-" in httpx.get(url + "/status", timeout=60).headers["content-security-policy"]
    asking = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization"}
    for origin, status in (("https://museum.example", 200), ("https://elsewhere.example", 400)):
        answer = httpx.options(url + "/v1/classify", headers={"Origin": origin, **asking}, timeout=60)
        assert answer.status_code == status
        assert answer.headers.get("access-control-allow-origin") == (origin if status == 200 else None)
    url, asking = gateway.stack.url("detection"), {"Origin": "https://museum.example", **asking}
    other = httpx.options(url + "/v1/detect", headers=asking, timeout=60)
    assert "access-control-allow-origin" not in other.headers


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"host": "0.0.0.0"}, "MIEN_HOST=0.0.0.0 can be reached from other machines"),
        ({"admin_host": "0.0.0.0", "admin_port": 1}, "MIEN_ADMIN_HOST=0.0.0.0"),
        ({"keys_file": "nowhere.toml"}, "MIEN_KEYS_FILE: it cannot be read"),
    ],
)
def test_a_start_that_would_be_open_by_accident_is_refused(
    toy_repository: Path, settings: dict[str, object], words: str
) -> None:
    with running("all", ready=False, model_repository=toy_repository, **settings) as stack:
        assert stack.process.wait(60) == 2
        log = stack.log.read_text()
        assert words in log
        assert "Traceback" not in log


def test_open_to_everybody_is_said_so(toy_repository: Path) -> None:
    with running("all", model_repository=toy_repository, host="0.0.0.0", open="true", keys_file="") as stack:
        assert httpx.get(stack.url() + "/v1/models", timeout=60).status_code == 200

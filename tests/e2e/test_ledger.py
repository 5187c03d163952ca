"""Metrics tell the truth: after a mix of good, bad, cancelled and refused calls they equal the caller's own ledger."""

from __future__ import annotations

import socket
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import grpc
import httpx
import pytest
from google.rpc import error_details_pb2
from grpc_status import rpc_status

from mien.v1 import mien_pb2 as pb
from mien.v1 import mien_pb2_grpc
from tests.scrapes import Sample, difference, ended, sample, scrape, until
from tests.services.inference.toy_repository import write_classifier
from tests.stack import Stack, running

MODEL, WAITING = "expression_classifier", "expression_classifier_waiting"  # the second keeps a row for an hour
EXACT = {
    "mien_requests_total",
    "mien_requests_failed_total",
    "mien_request_duration_seconds_count",
    "mien_received_bytes_total",
    "mien_sent_bytes_total",
    "mien_stream_items_total",
    "mien_stream_item_duration_seconds_count",
    "mien_stage_duration_seconds_count",
    "mien_stage_failures_total",
    "mien_image_size_bytes_count",
    "mien_image_size_bytes_sum",
    "mien_image_faces_sum",
    "mien_faces_classified_total",
    "mien_queue_duration_seconds_count",
    "mien_batch_rows_sum",
    "mien_inference_dropped_total",
    "mien_backend_failures_total",
}
GAUGES = ("mien_requests_in_flight", "mien_stream_items_in_flight", "mien_queue_rows", "mien_places_taken")


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """One place for single calls, so that a caller who takes it has all others refused."""
    folder = tmp_path_factory.mktemp("repository")
    write_classifier(folder)
    write_classifier(folder, WAITING, max_queue_delay_us=3_600_000_000)
    with running("all", model_repository=folder, max_in_flight=1) as process:
        yield process


class Driver:
    """Makes calls, and writes down what each must have left behind."""

    def __init__(self, stack: Stack, stub: mien_pb2_grpc.GatewayStub, photo: bytes) -> None:
        self.stack, self.stub, self.photo = stack, stub, photo
        self.ledger: Counter[Sample] = Counter()

    def wrote(self, name: str, amount: float = 1, **labels: object) -> None:
        self.ledger[sample(name, **labels)] += amount  # type: ignore[assignment]

    def call(self, transport: str, method: str, code: object, reason: str, received: int, sent: int) -> None:
        labels = {"service": "gateway", "transport": transport, "method": method}
        self.wrote("mien_requests_total", **labels, code=code)
        if reason:
            self.wrote("mien_requests_failed_total", **labels, reason=reason)
        if not method.endswith("Stream"):
            self.wrote("mien_request_duration_seconds_count", **labels)
        self.wrote("mien_received_bytes_total", received, **labels)
        self.wrote("mien_sent_bytes_total", sent, **labels)

    def scraped(self, times: int) -> None:
        """Scrapes are calls as well; how large each was, nobody knows."""
        labels = {"service": "gateway", "transport": "rest", "method": "/metrics"}
        self.wrote("mien_requests_total", times, **labels, code=200)
        self.wrote("mien_request_duration_seconds_count", times, **labels)

    def until(self, name: str, value: float, **labels: object) -> None:
        self.scraped(until(self.stack.url(), lambda now: now.get(sample(name, **labels), 0) == value))

    def found(self, expressions: list[str] | None, faces: int = 1) -> None:
        """A photo in which a face was found; and, unless None, read."""
        self.wrote("mien_stage_duration_seconds_count", stage="detect")
        self.wrote("mien_image_size_bytes_count")
        self.wrote("mien_image_size_bytes_sum", len(self.photo))
        self.wrote("mien_image_faces_sum", faces)
        for expression in expressions or ():
            self.wrote("mien_faces_classified_total", model=MODEL, expression=expression)
        if expressions:
            self.wrote("mien_stage_duration_seconds_count", stage="classify")
            self.wrote("mien_queue_duration_seconds_count", model=MODEL)
            self.wrote("mien_batch_rows_sum", len(expressions), model=MODEL)

    def gave_up(self, reason: str, times: int = 1) -> None:
        """Somebody who waited for the model that never comes."""
        for _ in range(times):
            self.found(None)
        self.wrote("mien_stage_failures_total", times, stage="classify", reason=reason)
        self.wrote("mien_inference_dropped_total", times, model=WAITING, reason="cancelled")

    # REST

    def post(self, path: str, body: bytes, status: int, reason: str = "", route: str = "", **headers: str) -> Any:
        response = httpx.post(
            self.stack.url() + path, content=body, headers={"content-type": "image/jpeg"} | headers, timeout=60
        )
        assert response.status_code == status, response.text
        route = route or path.partition("?")[0]
        read = 0 if route == "unmatched" or reason in ("queue_full", "method_not_allowed") else len(body)
        self.call("rest", route, status, reason, read, len(response.content))
        return response.json()

    @contextmanager
    def half_an_upload(self) -> Iterator[None]:
        """A caller that has a place and hangs up before the picture is there."""
        with socket.create_connection(("127.0.0.1", self.stack.ports["GATEWAY_REST_PORT"])) as line:
            line.sendall(b"POST /v1/classify HTTP/1.1\r\nHost: mien\r\nContent-Type: image/jpeg\r\n")
            line.sendall(b"Content-Length: 100\r\n\r\n" + bytes(10))
            self.until("mien_places_taken", 1, service="gateway", sort="single")
            yield
        self.until("mien_places_taken", 0, service="gateway", sort="single")
        labels = {"service": "gateway", "transport": "rest", "method": "/v1/classify"}
        self.wrote("mien_requests_total", **labels, code=499)
        self.wrote("mien_requests_failed_total", **labels, reason="cancelled")
        self.wrote("mien_request_duration_seconds_count", **labels)
        self.wrote("mien_received_bytes_total", 10, **labels)

    # gRPC

    def ask(self, method: str, request: Any, reason: str = "") -> Any:
        """A unary call; `reason` is the error that it must end with."""
        size = len(request.SerializeToString())
        if not reason:
            reply = getattr(self.stub, method)(request, timeout=60)
            self.call("grpc", method, "ok", "", size, reply.ByteSize())
            return reply
        with pytest.raises(grpc.RpcError) as caught:
            getattr(self.stub, method)(request, timeout=60)
        info = error_details_pb2.ErrorInfo()
        assert rpc_status.from_call(caught.value).details[0].Unpack(info)
        assert info.reason == reason
        self.call("grpc", method, reason, reason, 0 if reason == "queue_full" else size, 0)  # that is refused unread
        return None

    def stream(self, pictures: list[bytes]) -> list[Any]:
        """A stream of all of them, read to its end."""
        requests = [
            pb.GatewayClassifyStreamRequest(id=str(number), item=pb.GatewayClassifyRequest(image=picture))
            for number, picture in enumerate(pictures)
        ]
        window, *answers = self.stub.ClassifyStream(iter(requests), timeout=60)
        self.call(
            "grpc",
            "ClassifyStream",
            "ok",
            "",
            sum(request.ByteSize() for request in requests),
            sum(answer.ByteSize() for answer in (window, *answers)),
        )
        for answer in answers:
            code = answer.error.code if answer.HasField("error") else "ok"
            self.wrote("mien_stream_items_total", method="ClassifyStream", code=code)
            self.wrote("mien_stream_item_duration_seconds_count", method="ClassifyStream")
        return answers

    def hung_up_stream(self, items: int) -> None:
        """A stream whose items wait, and whose caller leaves."""
        request = pb.GatewayClassifyStreamRequest(
            id="waits", item=pb.GatewayClassifyRequest(image=self.photo, model=WAITING)
        )
        with ThreadPoolExecutor(1) as pool:
            call = self.stub.ClassifyStream(iter([request] * items), timeout=60)
            window = pool.submit(next, call).result()
            self.until("mien_queue_rows", items, model=WAITING)
            call.cancel()
        self.until("mien_queue_rows", 0, model=WAITING)
        self.call("grpc", "ClassifyStream", "cancelled", "cancelled", items * request.ByteSize(), window.ByteSize())
        self.wrote("mien_stream_items_total", items, method="ClassifyStream", code="cancelled")
        self.gave_up("cancelled", items)

    def hung_up_call(self) -> None:
        """A unary call that waits, and whose caller leaves."""
        request = pb.GatewayClassifyRequest(image=self.photo, model=WAITING)
        call = self.stub.Classify.future(request, timeout=60)
        self.until("mien_queue_rows", 1, model=WAITING)
        call.cancel()
        self.until("mien_queue_rows", 0, model=WAITING)
        self.call("grpc", "Classify", "cancelled", "cancelled", request.ByteSize(), 0)
        self.gave_up("cancelled")


def rest_calls(driver: Driver) -> None:
    photo, query = driver.photo, f"/v1/classify?model={WAITING}"
    for _ in range(3):
        driver.found([face["expression"] for face in driver.post("/v1/classify", photo, 200)["faces"]])
    assert len(driver.post("/v1/detect", photo, 200)["faces"]) == 1
    driver.found(None)
    for body, status, reason in ((b"text", 400, "not_an_image"), (photo[:900], 400, "truncated_image")):
        driver.post("/v1/classify", body, status, reason)
        driver.wrote("mien_stage_failures_total", stage="detect", reason=reason)
    driver.post("/v1/classify", b"", 422, "missing_image")
    driver.post("/v1/classify?model=nobody", photo, 404, "unknown_model")
    driver.post("/v1/generate?expression=fear", photo, 501, "not_implemented")
    driver.post("/v1/models", b"", 405, "method_not_allowed")
    for path in ("/v1/nothing", "/v1/classify/1", "/wp-login.php"):
        driver.post(path, b"", 404, "not_found", route="unmatched")
    driver.post(query, photo, 504, "deadline_exceeded", **{"Request-Timeout": "1.5"})
    driver.gave_up("cancelled")
    with driver.half_an_upload():
        driver.post("/v1/classify", b"", 429, "queue_full")
        driver.ask("Classify", pb.GatewayClassifyRequest(image=photo), "queue_full")


def rpc_calls(driver: Driver) -> None:
    photo = driver.photo
    reply = driver.ask("Classify", pb.GatewayClassifyRequest(image=photo))
    driver.found([_expression(face) for face in reply.faces])
    driver.ask("Detect", pb.GatewayDetectRequest(image=photo))
    driver.found(None)
    driver.ask("Classify", pb.GatewayClassifyRequest(image=b"text"), "not_an_image")
    driver.wrote("mien_stage_failures_total", stage="detect", reason="not_an_image")
    driver.ask("Detect", pb.GatewayDetectRequest(), "missing_image")
    driver.hung_up_call()


def streams(driver: Driver) -> None:
    answers = driver.stream([driver.photo, b"text", driver.photo, b""])
    assert [answer.WhichOneof("outcome") for answer in answers] == ["result", "error", "result", "error"]
    for answer in (answers[0], answers[2]):
        driver.found([_expression(face) for face in answer.result.faces])
    driver.wrote("mien_stage_failures_total", stage="detect", reason="not_an_image")
    driver.hung_up_stream(3)


def unheard_of(driver: Driver) -> None:
    """A method that there is not, and bytes that are no message."""
    window = 0
    with grpc.insecure_channel(driver.stack.address()) as channel:
        for method, body, code in (
            ("/mien.v1.Gateway/Guess", b"", grpc.StatusCode.UNIMPLEMENTED),
            ("/mien.v1.Gateway/Classify", b"\xff\xff", grpc.StatusCode.INVALID_ARGUMENT),
            ("/mien.v1.Gateway/ClassifyStream", b"\xff\xff", grpc.StatusCode.INVALID_ARGUMENT),
        ):
            with pytest.raises(grpc.RpcError) as caught:
                # on the wire a unary call is a stream of one
                for reply in channel.stream_stream(method)(iter([body]), timeout=60):
                    window += len(reply)
            assert caught.value.code() == code
    labels = {"service": "gateway", "transport": "grpc"}
    driver.wrote("mien_sent_bytes_total", window, **labels, method="ClassifyStream")
    driver.wrote("mien_received_bytes_total", 2, **labels, method="ClassifyStream")
    driver.wrote("mien_request_duration_seconds_count", **labels, method="Classify")
    kinds = {"unmatched": "not_found", "Classify": "malformed_request", "ClassifyStream": "malformed_request"}
    for method, reason in kinds.items():
        driver.wrote("mien_requests_total", **labels, method=method, code=reason)
        driver.wrote("mien_requests_failed_total", **labels, method=method, reason=reason)
    driver.wrote("mien_received_bytes_total", 2, **labels, method="Classify")


@pytest.mark.parametrize("script", [rest_calls, rpc_calls, streams, unheard_of])
def test_every_counter_equals_the_callers_ledger(stack: Stack, photo: bytes, script: Callable[[Driver], None]) -> None:
    before = scrape(stack.url())
    with grpc.insecure_channel(stack.address()) as channel:
        driver = Driver(stack, mien_pb2_grpc.GatewayStub(channel), photo)
        driver.scraped(1)
        script(driver)
    driver.scraped(until(stack.url(), lambda now: all(_idle(key, value) for key, value in now.items())))
    unknown = {"mien_sent_bytes_total"}  # of scrapes
    got = difference(before, scrape(stack.url()), EXACT)
    for ledger in (got, driver.ledger):
        for key in [key for key in ledger if key[0] in unknown and ("method", "/metrics") in key[1]]:
            del ledger[key]
    got, want = ended(got), ended(Counter({key: value for key, value in driver.ledger.items() if value}))
    wrong = {key: (got[key], want.get(key, 0)) for key in got.keys() | want.keys() if got[key] != want.get(key, 0)}
    assert wrong == {}


def test_what_one_service_did_no_other_has_counted(stack: Stack, photo: bytes) -> None:
    before = scrape(stack.url())
    response = httpx.post(stack.url("classification") + "/v1/models", timeout=60)
    assert response.status_code == 405
    got = difference(before, scrape(stack.url("detection")), {"mien_requests_total"})
    services = Counter({dict(key[1])["service"]: value for key, value in got.items()})
    assert services == {"gateway": 1, "classification": 1}  # the gateway was asked for its metrics


def _idle(key: Sample, value: float) -> bool:
    scraping = (
        key[0] == "mien_requests_in_flight" and ("transport", "rest") in key[1] and ("service", "gateway") in key[1]
    )
    return key[0] not in GAUGES or value == (1 if scraping else 0)


def _expression(face: Any) -> str:
    return pb.Expression.Name(face.expression).removeprefix("EXPRESSION_").lower()

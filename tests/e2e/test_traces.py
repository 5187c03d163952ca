"""Traces of real processes, sent to a real collector."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import httpx
import pytest

from mien.v1 import mien_pb2 as pb
from mien.v1 import mien_pb2_grpc
from tests.collector import Collector, Kept, collecting
from tests.e2e.generating import PICTURE
from tests.stack import Stack, apart, free_ports, running

CALLER = "cd" * 8
PATIENTLY = {"ready_within_s": 180.0}
Four = dict[str, Stack]


@pytest.fixture(scope="module")
def collector() -> Iterator[Collector]:
    with collecting() as collector:
        yield collector


@pytest.fixture(scope="module")
def four(collector: Collector, generating_repository: Path) -> Iterator[Four]:
    settings = {"model_repository": generating_repository, "otlp_endpoint": collector.address, "log_format": "json"}
    with apart(**settings) as stacks:
        yield dict(stacks)


def ask(stack: Stack, path: str, trace: str, image: bytes = PICTURE, flags: str = "01") -> httpx.Response:
    headers = {"traceparent": f"00-{trace}-{CALLER}-{flags}", "x-request-id": f"of-{trace[:4]}"}
    form = {"image": ("/home/somebody/secret.png", image)}
    return httpx.post(stack.url() + path, files=form, headers=headers, timeout=60)


def whole(collector: Collector, trace: str, *last: str) -> dict[str, Kept]:
    """A trace's spans by their way from the first one, once those `last` ones are there."""

    def ways() -> dict[str, Kept]:
        mine = {span.id: span for span in collector.spans() if span.trace == trace}

        def way(span: Kept) -> str:
            before = way(mine[span.parent]) if span.parent in mine else ""
            return f"{before} > {span.name}" if before else span.name

        return {way(span): span for span in mine.values()}

    collector.wait(lambda _: set(last) <= ways().keys())
    return ways()


def access_line(stack: Stack, request_id: str) -> dict[str, Any]:
    """Of one call; it is written after the answer."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        lines = [json.loads(line) for line in stack.log.read_text().splitlines() if line.startswith('{"')]
        if mine := [line for line in lines if line.get("request_id") == request_id]:
            return dict(mine[0])
        time.sleep(0.05)
    raise AssertionError(f"no line of {request_id}")


def test_one_photo_through_four_processes_is_one_trace(four: Four, collector: Collector) -> None:
    trace = "a1" * 16
    assert ask(four["gateway"], "/v1/classify", trace).status_code == 200
    detect, classify = "/v1/classify > detect > Detect", "/v1/classify > classify > Classify"
    spans = whole(collector, trace, "/v1/classify", detect, classify)
    assert {way: span.process for way, span in spans.items()} == {
        "/v1/classify": "mien-gateway",
        "/v1/classify > detect": "mien-gateway",
        detect: "mien-detection",
        f"{detect} > decode": "mien-detection",
        f"{detect} > search": "mien-detection",
        f"{detect} > search > face_detector": "mien-detection",
        f"{detect} > search > face_detector > queue": "mien-detection",
        f"{detect} > search > face_detector > infer": "mien-detection",
        f"{detect} > align": "mien-detection",
        f"{detect} > align > face_landmarker": "mien-detection",
        f"{detect} > align > face_landmarker > queue": "mien-detection",
        f"{detect} > align > face_landmarker > infer": "mien-detection",
        f"{detect} > cut": "mien-detection",
        "/v1/classify > classify": "mien-gateway",
        classify: "mien-classification",
        f"{classify} > expression_classifier": "mien-classification",
        f"{classify} > expression_classifier > queue": "mien-classification",
        f"{classify} > expression_classifier > infer": "mien-classification",
    }
    assert spans["/v1/classify"].parent == CALLER
    infer = spans[f"{classify} > expression_classifier > infer"]
    assert infer.values == {"mien.model": "expression_classifier", "mien.version": 1}
    assert spans[f"{classify} > expression_classifier"].values["mien.rows"] == 2
    for way, span in spans.items():
        assert span.start_ns <= span.end_ns, way


def test_a_generated_picture_shows_what_painting_cost(four: Four, collector: Collector) -> None:
    trace = "a2" * 16
    assert ask(four["gateway"], "/v1/generate?expression=happiness", trace).status_code == 200
    generate = "/v1/generate > generate"
    spans = whole(collector, trace, "/v1/generate", f"{generate} > Generate")
    assert {f"{generate} > decode", f"{generate} > encode > paste"} <= spans.keys()
    assert spans[f"{generate} > Generate > expression_generator > infer"].process == "mien-generation"


def test_every_access_line_of_a_photo_names_its_trace(four: Four, collector: Collector) -> None:
    trace = "a3" * 16
    ask(four["gateway"], "/v1/classify", trace)
    whole(collector, trace, "/v1/classify")
    for name in ("gateway", "detection", "classification"):
        assert access_line(four[name], "of-a3a3")["trace_id"] == trace


def test_a_failure_stands_where_it_happened(four: Four, collector: Collector) -> None:
    trace = "a4" * 16
    assert ask(four["gateway"], "/v1/classify", trace, b"no picture").status_code == 400
    spans = whole(collector, trace, "/v1/classify", "/v1/classify > detect > Detect")
    decode = spans["/v1/classify > detect > Detect > decode"]
    assert decode.values == {"mien.code": "not_an_image"}
    call = spans["/v1/classify"]
    assert (call.values["mien.status"], call.values["mien.code"], call.failed) == (400, "not_an_image", False)


def test_no_span_tells_the_files_name_or_the_query(four: Four, collector: Collector) -> None:
    trace = "a5" * 16
    ask(four["gateway"], "/v1/classify?model=secret", trace)
    ask(four["gateway"], "/v1/secret", trace)
    whole(collector, trace, "/v1/classify", "unmatched")
    assert "secret" not in repr(collector.spans())


def test_what_the_caller_leaves_out_no_process_keeps(four: Four, collector: Collector) -> None:
    ask(four["gateway"], "/v1/classify", "a6" * 16, flags="00")
    ask(four["gateway"], "/v1/classify", "a7" * 16)
    whole(collector, "a7" * 16, "/v1/classify", "/v1/classify > detect > Detect", "/v1/classify > classify > Classify")
    assert "a6" * 16 not in {span.trace for span in collector.spans()}
    assert "trace_id" not in access_line(four["gateway"], "of-a6a6")


def test_each_item_of_a_stream_is_a_trace_that_names_the_stream(four: Four, collector: Collector) -> None:
    trace = "a8" * 16
    photos = [pb.GatewayClassifyStreamRequest(id=str(n), item=pb.GatewayClassifyRequest(image=PICTURE)) for n in (0, 1)]
    with grpc.insecure_channel(four["gateway"].address()) as channel:
        metadata = (("traceparent", f"00-{trace}-{CALLER}-01"),)
        list(mien_pb2_grpc.GatewayStub(channel).ClassifyStream(iter(photos), metadata=metadata, timeout=60))
    whole(collector, trace, "ClassifyStream")
    items = [span for span in collector.spans() if span.name == "ClassifyStream item"]
    assert len({item.trace for item in items}) == 2
    assert {item.links for item in items} == {(trace,)}
    for item in items:
        assert "ClassifyStream item > detect > Detect > decode" in whole(
            collector, item.trace, "ClassifyStream item", "ClassifyStream item > detect > Detect"
        )


def test_the_last_traces_leave_before_the_process_does(collector: Collector, toy_repository: Path) -> None:
    trace = "b1" * 16
    with running("all", model_repository=toy_repository, otlp_endpoint=collector.address, **PATIENTLY) as stack:
        ask(stack, "/v1/classify", trace)
        assert stack.stop() == 0
    spans = [span for span in collector.spans() if span.trace == trace]
    assert {"/v1/classify", "detect", "decode"} <= {span.name for span in spans}
    assert {span.process for span in spans} == {"mien"}


def test_a_collector_that_is_away_costs_no_answer_and_no_orderly_end(toy_repository: Path) -> None:
    nobody = f"http://127.0.0.1:{free_ports(1)[0]}"
    with running("all", model_repository=toy_repository, otlp_endpoint=nobody, **PATIENTLY) as stack:
        assert ask(stack, "/v1/classify", "b2" * 16).status_code == 200
        assert stack.stop(timeout_s=25.0) == 0
        assert "Traceback" not in stack.log.read_text()


def test_untraced_no_process_loads_what_traces(toy_repository: Path) -> None:
    module = "tests.e2e.without_tracing"
    with running("all", module=module, model_repository=toy_repository, log_format="json", **PATIENTLY) as stack:
        assert ask(stack, "/v1/classify", "b3" * 16).status_code == 200
        assert "trace_id" not in access_line(stack, "of-b3b3")


def test_traces_without_their_extra_are_refused_in_a_sentence(toy_repository: Path) -> None:
    settings = {"model_repository": toy_repository, "otlp_endpoint": "http://127.0.0.1:4317"}
    with running("all", ready=False, module="tests.e2e.without_tracing", **settings) as stack:
        assert stack.process.wait(60) == 2
        log = stack.log.read_text()
    assert "pip install 'mien[tracing]'" in log
    assert "Traceback" not in log

"""A real Triton's own spans, in the trace of the photo that they are of."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import httpx

from tests import triton_server
from tests.collector import Kept, collecting
from tests.services.inference.toy_repository import write_classifier
from tests.stack import running

TRITON, LEFT_OUT = "triton-inference-server", "c0" * 16
# Several, because Triton sends its spans once and forgets what did not get through.
TRACES = ("c1" * 16, "c2" * 16, "c3" * 16)


def test_a_trace_goes_on_within_triton_and_what_is_left_out_stays_out(tmp_path: Path, photo: bytes) -> None:
    write_classifier(tmp_path)
    with collecting() as collector, triton_server.running(tmp_path, otlp=collector.http_address) as triton:
        settings = {"backend": "triton", "triton_address": triton.address, "otlp_endpoint": collector.address}
        with running("all", ready_within_s=180.0, model_repository=tmp_path, **settings) as stack:

            def ask(trace: str, flags: str) -> None:
                headers = {"traceparent": f"00-{trace}-{'cd' * 8}-{flags}"}
                answer = httpx.post(stack.url() + "/v1/classify", files={"image": photo}, headers=headers, timeout=60)
                assert answer.status_code == 200

            ask(LEFT_OUT, "00")
            whole: list[Kept] = []
            sent = {LEFT_OUT}
            for trace in TRACES:
                ask(trace, "01")
                sent.add(trace)
                with suppress(AssertionError):
                    whole = _of(trace, collector.wait(lambda spans, trace=trace: _is_whole(_of(trace, spans)), 20.0))
                    break
            assert whole, f"of {len(TRACES)} traces none came from Triton:\n{triton.log.read_text()[-4000:]}"
            spans = collector.spans()
    (asked,) = [span for span in whole if span.name == "InferRequest"]
    (model,) = [span for span in whole if span.id == asked.parent]
    assert asked.process == TRITON
    assert (model.process, model.name) == ("mien", "expression_classifier")
    assert "mien.queue_estimate_s" in model.values
    assert {"queue", "infer"} & {span.name for span in spans} == set()  # an estimate is no span
    assert {span.trace for span in spans} == sent - {LEFT_OUT}


def _of(trace: str, spans: list[Kept]) -> list[Kept]:
    return [span for span in spans if span.trace == trace]


def _is_whole(spans: list[Kept]) -> bool:
    return {"/v1/classify", "InferRequest"} <= {span.name for span in spans}

"""Spans as OpenTelemetry keeps them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from services import spans
from services.chassis.threads import Spent, Threads
from services.chassis.tracing import Tracing
from services.errors import Kind, MienError

TRACE, CALLER = "ab" * 16, "cd" * 8
KEPT, LEFT_OUT = ({"traceparent": f"00-{TRACE}-{CALLER}-{flag}"} for flag in ("01", "00"))


class Kept:
    """A tracing whose spans stay here."""

    def __init__(self, share: float) -> None:
        self._exporter = InMemorySpanExporter()
        self.tracing = Tracing(self._exporter, share, "mien-test", "1")

    def spans(self) -> dict[str, ReadableSpan]:
        """All that have ended, by name; closes."""
        asyncio.run(self.tracing.close())
        return {span.name: span for span in self._exporter.get_finished_spans()}


@pytest.fixture
def kept() -> Iterator[Kept]:
    yield Kept(share=1.0)
    spans.record(None)


@pytest.fixture
def unkept() -> Iterator[Kept]:
    yield Kept(share=0.0)
    spans.record(None)


def parent(span: ReadableSpan) -> int | None:
    return span.parent.span_id if span.parent else None


def values(span: ReadableSpan) -> Mapping[str, Any]:
    return span.attributes or {}


def test_a_callers_trace_goes_on_here_and_further(kept: Kept) -> None:
    with spans.serving("rest", KEPT) as span:
        span.rename("/v1/classify")
        with spans.span("detect", {"rows": 3}):
            assert spans.trace_id() == TRACE
            version, trace, inner, flag = spans.headers()["traceparent"].split("-")
    assert (version, trace, flag) == ("00", TRACE, "01")
    done = kept.spans()
    assert parent(done["/v1/classify"]) == int(CALLER, 16)
    assert parent(done["detect"]) == done["/v1/classify"].context.span_id
    assert int(inner, 16) == done["detect"].context.span_id
    assert values(done["detect"]) == {"mien.rows": 3}


def test_work_in_a_thread_is_a_part_of_the_call_that_gave_it(kept: Kept) -> None:
    async def call() -> None:
        threads = Threads(1)
        with spans.serving("Detect", {}):
            await threads.do(spans.traced("decode", lambda: time.sleep(0.01)), Spent())
        threads.close()

    asyncio.run(call())
    done = kept.spans()
    assert parent(done["decode"]) == done["Detect"].context.span_id
    took_ns = (done["decode"].end_time or 0) - (done["decode"].start_time or 0)
    assert took_ns >= 10_000_000


@pytest.mark.parametrize(
    ("error", "code", "ours"),
    [
        (MienError(Kind.NOT_AN_IMAGE, "secret.jpg"), "not_an_image", False),
        (ValueError("secret.jpg"), "internal", True),
        (asyncio.CancelledError("secret.jpg"), "cancelled", False),
    ],
)
def test_a_failure_says_its_kind_and_nothing_of_its_text(
    kept: Kept, error: BaseException, code: str, ours: bool
) -> None:
    with spans.serving("Detect", {}), pytest.raises(type(error)), spans.span("decode"):
        raise error
    span = kept.spans()["decode"]
    assert values(span) == {"mien.code": code}
    assert span.status.is_ok is not ours
    assert "secret" not in span.to_json()


def test_what_was_measured_elsewhere_stands_at_its_time(kept: Kept) -> None:
    before_ns, began_s = time.time_ns(), time.perf_counter()
    with spans.serving("Detect", {}):
        spans.past("queue", began_s, began_s + 0.25, {})
    queue = kept.spans()["queue"]
    assert queue.start_time is not None
    assert queue.end_time is not None
    assert queue.end_time - queue.start_time == pytest.approx(250_000_000, abs=2)
    assert queue.start_time == pytest.approx(before_ns, abs=1e9)


def test_a_call_within_a_call_begins_a_trace_that_names_the_other(kept: Kept) -> None:
    with spans.serving("ClassifyStream", {}), spans.serving("ClassifyStream item", {}):
        pass
    done = kept.spans()
    stream, item = done["ClassifyStream"], done["ClassifyStream item"]
    assert item.context.trace_id != stream.context.trace_id
    assert [link.context.span_id for link in item.links] == [stream.context.span_id]


def test_outside_a_call_nothing_is_kept(kept: Kept) -> None:
    with spans.span("detect"):
        spans.past("queue", 0.0, 1.0, {})
        assert spans.traced("decode", lambda: 7)() == 7
    assert kept.spans() == {}


def test_the_share_decides_where_the_caller_has_not(unkept: Kept) -> None:
    with spans.serving("first", {}), spans.span("detect"):
        assert spans.trace_id() == ""
        flags = spans.headers()["traceparent"].split("-")[3]
    assert int(flags, 16) & 1 == 0  # "sampled": the services behind leave it out too
    with spans.serving("second", KEPT):
        pass
    assert set(unkept.spans()) == {"second"}


def test_a_caller_who_leaves_a_trace_out_is_obeyed(kept: Kept) -> None:
    with spans.serving("first", LEFT_OUT), spans.span("detect"):
        spans.past("queue", 0.0, 1.0, {})
    assert kept.spans() == {}


def test_a_traceparent_that_is_none_is_overlooked(kept: Kept) -> None:
    with spans.serving("first", {"traceparent": "00-zz-zz-01", "tracestate": "x" * 5000}):
        pass
    assert parent(kept.spans()["first"]) is None


def test_after_its_end_nobody_traces(kept: Kept) -> None:
    kept.spans()
    assert spans.span("detect") is spans.NOTHING

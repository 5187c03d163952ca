"""Where nobody traces, spans are nothing and cost nothing."""

from __future__ import annotations

from services import spans
from services.errors import Kind


def test_untraced_work_is_the_very_same_work() -> None:
    def work() -> int:
        return 7

    assert spans.traced("decode", work) is work


def test_untraced_spans_are_one_object_that_keeps_nothing() -> None:
    with (
        spans.serving("rest", {"traceparent": f"00-{'ab' * 16}-{'cd' * 8}-01"}) as outer,
        spans.span("detect") as inner,
    ):
        inner.note({"rows": 1})
        inner.fail(Kind.INTERNAL)
        assert outer is inner is spans.NOTHING
        assert spans.headers() == {}
        assert spans.trace_id() == ""

"""Keeps spans with OpenTelemetry and sends them over OTLP (gRPC). Imported only where `MIEN_OTLP_ENDPOINT` is set.

A `spans.Recorder`: W3C trace context in and out, sampling by share unless the caller has decided. Spans leave in the
background; where nobody takes them they are dropped, and no call waits. OpenTelemetry's own environment variables
(`OTEL_RESOURCE_ATTRIBUTES`, `OTEL_EXPORTER_OTLP_HEADERS` …) hold besides. Of an exception a span says the kind, never
the text.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter
from opentelemetry.sdk.trace.sampling import ParentBasedTraceIdRatio
from opentelemetry.trace import Link, SpanKind, Status, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from services import spans
from services.errors import TABLE, Kind, kind_of

_CONTEXT = TraceContextTextMapPropagator()
_EXPORT_S = 10.0  # the longest that a batch of spans may take to be sent
_LAST_S = 5.0  # and all that are left when the process ends


def sender(endpoint: str) -> SpanExporter:
    """To a collector, http:// or https:// with host and port."""
    from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter

    return OTLPSpanExporter(endpoint, timeout=_EXPORT_S)


class Tracing:
    """Records spans until it is closed. One at a time in a process."""

    def __init__(self, exporter: SpanExporter, share: float, name: str, version: str) -> None:
        """Begin.

        Args:
            share: of the traces that begin here, in [0, 1]; a trace that a caller began is kept if the caller keeps it.
            name: of this process, as traces show it.
        """
        self._exporter = exporter
        self._provider = TracerProvider(
            sampler=ParentBasedTraceIdRatio(share),
            resource=Resource.create({"service.name": name, "service.version": version}),
            shutdown_on_exit=False,
        )
        self._provider.add_span_processor(BatchSpanProcessor(exporter))
        self._tracer = self._provider.get_tracer("mien", version)
        spans.record(self)

    @contextmanager
    def serving(self, name: str, caller: Mapping[str, str]) -> Iterator[spans.Span]:
        """See `spans.serving`."""
        parent = _CONTEXT.extract(caller, Context())
        current = trace.get_current_span().get_span_context()
        links = [Link(current)] if current.is_valid and not parent else []
        with self._begun(name, {}, context=parent, kind=SpanKind.SERVER, links=links) as span:
            try:
                yield span
            except asyncio.CancelledError:
                span.fail(Kind.CANCELLED)
                raise

    @contextmanager
    def span(self, name: str, values: spans.Values) -> Iterator[spans.Span]:
        """See `spans.span`; nothing where the trace is not kept."""
        if not trace.get_current_span().is_recording():
            yield spans.NOTHING
            return
        with self._begun(name, values) as span:
            try:
                yield span
            except (Exception, asyncio.CancelledError) as error:
                span.fail(kind_of(error))
                raise

    def past(self, name: str, began_s: float, ended_s: float, values: spans.Values) -> None:
        """See `spans.past`."""
        if trace.get_current_span().is_recording():
            zero_ns = time.time_ns() - time.perf_counter_ns()
            span = self._tracer.start_span(name, attributes=_named(values), start_time=zero_ns + int(began_s * 1e9))
            span.end(zero_ns + int(ended_s * 1e9))

    def headers(self) -> dict[str, str]:
        """See `spans.headers`."""
        carrier: dict[str, str] = {}
        _CONTEXT.inject(carrier)
        return carrier

    def trace_id(self) -> str:
        """See `spans.trace_id`."""
        span = trace.get_current_span()
        return trace.format_trace_id(span.get_span_context().trace_id) if span.is_recording() else ""

    async def close(self) -> None:
        """Record no more, and send what is left; where nobody takes it, for seconds only."""
        spans.record(None)
        enough = threading.Timer(_LAST_S, self._exporter.shutdown)
        enough.start()
        try:
            await asyncio.to_thread(self._provider.shutdown)
        finally:
            enough.cancel()

    @contextmanager
    def _begun(self, name: str, values: spans.Values, **options: Any) -> Iterator[_Span]:
        with self._tracer.start_as_current_span(
            name, attributes=_named(values), record_exception=False, set_status_on_exception=False, **options
        ) as span:
            yield _Span(span)


class _Span:
    """A `spans.Span` over OpenTelemetry's."""

    def __init__(self, span: trace.Span) -> None:
        self._span = span

    def rename(self, name: str) -> None:
        self._span.update_name(name)

    def note(self, values: spans.Values) -> None:
        self._span.set_attributes(_named(values))

    def fail(self, kind: Kind) -> None:
        """What the caller did wrong is no error of ours."""
        self._span.set_attribute("mien.code", kind.value)
        if TABLE[kind].http >= 500:
            self._span.set_status(Status(StatusCode.ERROR))


def _named(values: spans.Values) -> dict[str, str | int | float]:
    return {f"mien.{key}": value for key, value in values.items()}

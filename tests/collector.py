"""A collector of traces that takes OTLP over gRPC and HTTP, as a real one does, and keeps what it got."""

from __future__ import annotations

import json
import threading
import time
from base64 import b64encode
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import grpc
from google.protobuf import json_format
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2, trace_service_pb2_grpc

_IDS = ("traceId", "spanId", "parentSpanId")


@dataclass(frozen=True, slots=True)
class Kept:
    """A span; ids as hex digits, `parent` empty where it begins a trace, `process` the resource's service.name."""

    trace: str
    id: str
    parent: str
    name: str
    process: str
    start_ns: int
    end_ns: int
    values: dict[str, Any]
    failed: bool
    links: tuple[str, ...]


class Collector(trace_service_pb2_grpc.TraceServiceServicer):
    """Keeps every span. `address` is what MIEN_OTLP_ENDPOINT wants, `http_address` what Triton does."""

    def __init__(self) -> None:
        self.address = self.http_address = ""
        self._kept: list[Kept] = []
        self._lock = threading.Lock()

    def Export(self, request: Any, context: Any) -> Any:  # noqa: N802 (the contract's name)
        with self._lock:
            for group in request.resource_spans:
                process = next(
                    each.value.string_value for each in group.resource.attributes if each.key == "service.name"
                )
                self._kept += [_kept(span, process) for scope in group.scope_spans for span in scope.spans]
        return trace_service_pb2.ExportTraceServiceResponse()

    def spans(self) -> list[Kept]:
        """All until now."""
        with self._lock:
            return list(self._kept)

    def wait(self, enough: Callable[[list[Kept]], bool], within_s: float = 60.0) -> list[Kept]:
        """All, once they are enough."""
        deadline = time.monotonic() + within_s
        while not enough(spans := self.spans()):
            assert time.monotonic() < deadline, (
                f"not enough within {within_s} s: {Counter(span.name for span in spans)}"
            )
            time.sleep(0.05)
        return spans


@contextmanager
def collecting() -> Iterator[Collector]:
    """A collector on a free port of this machine."""
    collector, server = Collector(), grpc.server(ThreadPoolExecutor(4))
    trace_service_pb2_grpc.add_TraceServiceServicer_to_server(collector, server)
    collector.address = f"http://127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
    server.start()

    class Post(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            data = self.rfile.read(int(self.headers["Content-Length"]))
            request = trace_service_pb2.ExportTraceServiceRequest()
            if self.headers["Content-Type"] == "application/json":
                json_format.ParseDict(_with_base64_ids(json.loads(data)), request, ignore_unknown_fields=True)
            else:
                request.ParseFromString(data)
            collector.Export(request, None)
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    http = ThreadingHTTPServer(("127.0.0.1", 0), Post)
    collector.http_address = f"http://127.0.0.1:{http.server_port}"
    threading.Thread(target=http.serve_forever, daemon=True).start()
    try:
        yield collector
    finally:
        http.shutdown()
        http.server_close()
        server.stop(None).wait()


def _with_base64_ids(told: Any) -> Any:
    """OTLP writes ids as hex digits where protobuf's JSON has base64."""
    if isinstance(told, list):
        return [_with_base64_ids(each) for each in told]
    if not isinstance(told, dict):
        return told
    return {
        key: b64encode(bytes.fromhex(value)).decode() if key in _IDS else _with_base64_ids(value)
        for key, value in told.items()
    }


def _kept(span: Any, process: str) -> Kept:
    return Kept(
        span.trace_id.hex(),
        span.span_id.hex(),
        span.parent_span_id.hex(),
        span.name,
        process,
        span.start_time_unix_nano,
        span.end_time_unix_nano,
        {each.key: getattr(each.value, each.value.WhichOneof("value")) for each in span.attributes},
        span.status.code == span.status.STATUS_CODE_ERROR,
        tuple(link.trace_id.hex() for link in span.links),
    )

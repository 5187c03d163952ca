"""Every metric of Mien, in one place. Names are `mien_<what>_<base unit>[_total]`, labels come from closed sets only.

One `Metrics` per process, made by the composition root. Operators read them at `/metrics` of any service's REST port.
"""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, PlatformCollector, ProcessCollector
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

from services.domain import ModelVersion
from services.errors import Kind

_LATENCY_S = (0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0)
_SHORT_S = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)

CONTENT_TYPE = CONTENT_TYPE_LATEST


class Metrics:
    """The process's registry and its instruments; also the batcher's observer (`inference.batcher.Observer`)."""

    def __init__(self, version: str) -> None:
        registry = self.registry = CollectorRegistry()
        ProcessCollector(registry=registry)
        PlatformCollector(registry=registry)

        # RED, per service and method: dashboards and availability alerts
        call = ["service", "transport", "method"]
        self.requests = Counter("mien_requests", "Calls answered.", [*call, "code"], registry=registry)
        self.request_duration = Histogram(
            "mien_request_duration_seconds", "Time to answer.", call, buckets=_LATENCY_S, registry=registry
        )
        self.in_flight = Gauge("mien_requests_in_flight", "Calls being answered.", call[:2], registry=registry)
        self.stream_items = Counter(
            "mien_stream_items",
            "Items of streams, answered or cancelled, and pictures of forms with several.",
            ["method", "code"],
            registry=registry,
        )
        self.stream_items_in_flight = Gauge(
            "mien_stream_items_in_flight", "Items begun whose answer has not left.", ["method"], registry=registry
        )

        # where a photo's time goes
        self.stage_duration = Histogram(
            "mien_stage_duration_seconds",
            "Time in a stage of the pipeline.",
            ["stage"],
            buckets=_LATENCY_S,
            registry=registry,
        )
        self.image_bytes = Histogram(
            "mien_image_size_bytes",
            "Size of the pictures received.",
            buckets=[4.0**k * 1024 for k in range(8)],
            registry=registry,
        )
        self.faces = Histogram(
            "mien_image_faces", "Faces found in a picture.", buckets=(0, 1, 2, 4, 8, 16, 32, 64), registry=registry
        )
        # the mix of answers: watch it for drift
        self.expressions = Counter(
            "mien_faces_classified", "Faces by their top expression.", ["model", "expression"], registry=registry
        )

        # batching, per model: is the queue growing, do batches form
        self.queued_rows = Gauge("mien_queue_rows", "Rows waiting for a batch.", ["model"], registry=registry)
        self.queue_duration = Histogram(
            "mien_queue_duration_seconds",
            "Wait of a request for its batch.",
            ["model"],
            buckets=_SHORT_S,
            registry=registry,
        )
        self.batch_rows = Histogram(
            "mien_batch_rows", "Rows of a batch.", ["model"], buckets=(1, 2, 4, 8, 16, 32, 64, 128), registry=registry
        )
        self.inference_duration = Histogram(
            "mien_inference_duration_seconds",
            "Time of a batch in the model.",
            ["model", "version"],
            buckets=_SHORT_S,
            registry=registry,
        )
        self.unanswered = Counter(
            "mien_inference_dropped", "Requests that left the queue unanswered.", ["model", "reason"], registry=registry
        )

        self.build = Gauge("mien_build_info", "Always 1.", ["version"], registry=registry)
        self.build.labels(version).set(1)
        self.models = Gauge(
            "mien_model_info", "1 for a model version being served.", ["model", "version"], registry=registry
        )

    def queued(self, model: ModelVersion, rows: int) -> None:
        self.queued_rows.labels(model.name).set(rows)

    def waited(self, model: ModelVersion, queue_s: float) -> None:
        self.queue_duration.labels(model.name).observe(queue_s)

    def inferred(self, model: ModelVersion, rows: int, inference_s: float) -> None:
        self.batch_rows.labels(model.name).observe(rows)
        self.inference_duration.labels(model.name, str(model.version)).observe(inference_s)

    def dropped(self, model: ModelVersion, reason: Kind) -> None:
        self.unanswered.labels(model.name, reason.value).inc()

    def exposition(self) -> bytes:
        """The text that Prometheus scrapes."""
        return generate_latest(self.registry)

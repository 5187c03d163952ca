"""Every metric of Mien, in one place. Names are `mien_<what>_<base unit>[_total]`, labels come from closed sets only.

One `Metrics` per process, made by the composition root. Operators read them at `/metrics` of any service's REST port;
where several services share the process each shows all of it, and what is of one service has the label `service`.
What the names mean to an operator, and which of them wake somebody, stands in `deploy/monitoring/` and
`deploy/runbooks.md`.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, PlatformCollector, ProcessCollector
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

from services import spans
from services.domain import ModelVersion
from services.errors import Kind, kind_of

_LATENCY_S = (0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0, 30.0)
_SHORT_S = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)
_ITEM_S = (0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0)  # they wait behind single calls

CONTENT_TYPE = CONTENT_TYPE_LATEST
UNMATCHED = "unmatched"  # the method of every call to an address that there is not


class Metrics:
    """The process's registry and its instruments; the observer of what `inference` does (`inference.*.Observer`)."""

    def __init__(self, version: str) -> None:
        registry = self.registry = CollectorRegistry()
        ProcessCollector(registry=registry)
        PlatformCollector(registry=registry)

        # RED, per service and method: dashboards and availability alerts. A stream is one call without a duration
        call = ["service", "transport", "method"]
        self.requests = Counter("mien_requests", "Calls answered.", [*call, "code"], registry=registry)
        self.failures = Counter(
            "mien_requests_failed",
            "Calls that got no answer but an error, also those whose caller hung up.",
            [*call, "reason"],
            registry=registry,
        )
        self.request_duration = Histogram(
            "mien_request_duration_seconds", "Time to answer.", call, buckets=_LATENCY_S, registry=registry
        )
        self.in_flight = Gauge("mien_requests_in_flight", "Calls being answered.", call[:2], registry=registry)
        self.received = Counter("mien_received_bytes", "Bodies and messages that were read.", call, registry=registry)
        self.sent = Counter("mien_sent_bytes", "Bodies and messages that left.", call, registry=registry)

        # saturation: with no place free a call is refused
        place = ["service", "sort"]
        self.places = Gauge("mien_places", "Calls that may be answered at once.", place, registry=registry)
        self.places_taken = Gauge("mien_places_taken", "Places that are taken.", place, registry=registry)

        self.wait = Gauge(
            "mien_wait_estimate_seconds",
            "How long a single call that came now would wait for those before it.",
            ["service"],
            registry=registry,
        )

        self.stream_items = Counter(
            "mien_stream_items",
            "Items of streams, answered or cancelled, and pictures of forms with several.",
            ["method", "code"],
            registry=registry,
        )
        self.stream_items_in_flight = Gauge(
            "mien_stream_items_in_flight", "Items begun whose answer has not left.", ["method"], registry=registry
        )
        self.stream_item_duration = Histogram(
            "mien_stream_item_duration_seconds",
            "Time from an item's arrival until its answer left.",
            ["method"],
            buckets=_ITEM_S,
            registry=registry,
        )

        # the services behind this one, by name: one that does not answer is not asked (`chassis.breaker`)
        self.link_broken = Gauge(
            "mien_link_broken", "1 while calls to a service behind are refused at once.", ["to"], registry=registry
        )
        self.link_breaks = Counter(
            "mien_link_breaks", "Times that calls to a service behind began to be refused.", ["to"], registry=registry
        )
        self.link_retries = Counter(
            "mien_link_retries",
            "Calls to a service behind that were lost and made once more.",
            ["to"],
            registry=registry,
        )

        # where a photo's time goes, in the gateway
        self.stage_duration = Histogram(
            "mien_stage_duration_seconds",
            "Time in a stage of the pipeline that was completed.",
            ["stage"],
            buckets=_LATENCY_S,
            registry=registry,
        )
        self.stage_failures = Counter(
            "mien_stage_failures", "Stages that were not completed.", ["stage", "reason"], registry=registry
        )
        self.image_bytes = Histogram(
            "mien_image_size_bytes",
            "Size of the pictures in which faces were looked for.",
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
            "mien_inference_dropped",
            "Requests that got no answer from a model.",
            ["model", "reason"],
            registry=registry,
        )

        # per version of a model, whichever backend runs it: is the new one as good as the old
        version_of = ["model", "version"]
        self.version_requests = Counter(
            "mien_model_requests", "Requests that a version was asked.", [*version_of, "code"], registry=registry
        )
        self.version_inference_duration = Histogram(
            "mien_model_inference_duration_seconds",
            "Time of an answered request in the model, without its wait.",
            version_of,
            buckets=_SHORT_S,
            registry=registry,
        )
        self.shadow = Counter(
            "mien_shadow", "Calls that a shadow was asked too, or was not.", ["model", "outcome"], registry=registry
        )
        self.shadow_distance = Histogram(
            "mien_shadow_distance",
            "The largest difference of a probability between the answer and its shadow.",
            ["model"],
            buckets=(0.0001, 0.001, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0),
            registry=registry,
        )

        # a distant backend, per model: is it there; its batches are counted by itself
        self.backend_up = Gauge("mien_backend_up", "1 while the model can answer.", ["model"], registry=registry)
        self.backend_duration = Histogram(
            "mien_backend_duration_seconds",
            "Time until a request's answer was back, its queueing included.",
            ["model"],
            buckets=_LATENCY_S,
            registry=registry,
        )
        self.backend_retries = Counter(
            "mien_backend_retries", "Requests that were lost and asked once more.", ["model"], registry=registry
        )
        self.backend_failures = Counter(
            "mien_backend_failures",
            "Executions of a model that failed, seen from our side of the backend.",
            ["model", "reason"],
            registry=registry,
        )

        self._queued: dict[ModelVersion, int] = {}
        self.build = Gauge("mien_build_info", "Always 1.", ["version"], registry=registry)
        self.build.labels(version).set(1)
        self.models = Gauge(
            "mien_model_info", "1 for a model version being served.", ["model", "version"], registry=registry
        )
        self.model_load = Gauge(
            "mien_model_load_duration_seconds",
            "Time to load a model and warm it up.",
            ["model", "version"],
            registry=registry,
        )
        self.ready = Gauge(
            "mien_ready", "What /readyz answers: 1 ready, 0 not.", ["service", "check"], registry=registry
        )

    def failed(self, service: str, transport: str, method: str, reason: Kind) -> None:
        """A call got an error instead of an answer."""
        self.failures.labels(service, transport, method, reason.value).inc()

    def link(self, to: str, broken: bool) -> None:
        """Calls to a service behind are refused from now on, or no more."""
        self.link_broken.labels(to).set(broken)
        self.link_breaks.labels(to).inc(broken)

    def admission(self, service: str, sort: str, limit: int, taken: Callable[[], float]) -> None:
        """Show the places that a service has for calls of one sort: single, patient or streams."""
        self.places.labels(service, sort).set(limit)
        self.places_taken.labels(service, sort).set_function(taken)

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Account for the block as a stage of the pipeline, in the trace too."""
        started = time.perf_counter()
        try:
            with spans.span(name):
                yield
        except (Exception, asyncio.CancelledError) as error:
            self.stage_failures.labels(name, kind_of(error).value).inc()
            raise
        self.stage_duration.labels(name).observe(time.perf_counter() - started)

    def queued(self, model: ModelVersion, rows: int) -> None:
        self._queued[model] = rows
        self.queued_rows.labels(model.name).set(
            sum(waiting for one, waiting in self._queued.items() if one.name == model.name)
        )

    def waited(self, model: ModelVersion, queue_s: float) -> None:
        self.queue_duration.labels(model.name).observe(queue_s)

    def inferred(self, model: ModelVersion, rows: int, inference_s: float) -> None:
        self.batch_rows.labels(model.name).observe(rows)
        self.inference_duration.labels(model.name, str(model.version)).observe(inference_s)

    def dropped(self, model: ModelVersion, reason: Kind) -> None:
        self.unanswered.labels(model.name, reason.value).inc()

    def broke(self, model: ModelVersion, reason: Kind) -> None:
        self.backend_failures.labels(model.name, reason.value).inc()

    def loaded(self, model: ModelVersion, load_s: float) -> None:
        """A model is loaded and warm."""
        self.model_load.labels(model.name, str(model.version)).set(load_s)
        # there from the start: a counter that is born with its first failure has not grown, and no alert sees it
        self.backend_failures.labels(model.name, Kind.UNAVAILABLE.value)
        self.queued(model, self._queued.get(model, 0))

    def serves(self, model: ModelVersion, serving: bool) -> None:
        """A version is loaded from now on, or no more."""
        if serving:
            self.models.labels(model.name, str(model.version)).set(1)
            return
        for gauge in (self.models, self.model_load):
            with suppress(KeyError):
                gauge.remove(model.name, str(model.version))
        self._queued.pop(model, None)

    def answered(self, model: ModelVersion, inference_s: float) -> None:
        self.version_requests.labels(model.name, str(model.version), "ok").inc()
        self.version_inference_duration.labels(model.name, str(model.version)).observe(inference_s)

    def failed_by(self, model: ModelVersion, reason: Kind) -> None:
        self.version_requests.labels(model.name, str(model.version), reason.value).inc()

    def shadowed(self, model: ModelVersion, outcome: str, distance: float | None) -> None:
        self.shadow.labels(model.name, outcome).inc()
        if distance is not None:
            self.shadow_distance.labels(model.name).observe(distance)

    def returned(self, model: ModelVersion, seconds: float) -> None:
        self.backend_duration.labels(model.name).observe(seconds)

    def retried(self, model: ModelVersion) -> None:
        self.backend_retries.labels(model.name).inc()

    def available(self, model: ModelVersion, up: bool) -> None:
        self.backend_up.labels(model.name).set(up)
        self.backend_failures.labels(model.name, Kind.UNAVAILABLE.value)  # there from the start, see `loaded`

    def exposition(self) -> bytes:
        """The text that Prometheus scrapes."""
        return generate_latest(self.registry)

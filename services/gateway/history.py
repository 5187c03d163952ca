"""What the process did in the last minutes: a ring of samples of its own metrics, from which the status page is drawn.

A sample is what the counters say at a moment; figures are differences between two of them. So the page costs nothing
between samples, and two pages show the same.
"""

from __future__ import annotations

import asyncio
import bisect
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from itertools import pairwise

from prometheus_client.metrics import MetricWrapperBase

from services.domain import EXPRESSIONS, ModelVersion
from services.metrics import Metrics

EVERY_S = 2.0
SAMPLES = 151  # five minutes
_WINDOW = 5  # samples over which quantiles and means are taken: ten seconds
_STAGES = ("call", "detect", "classify", "generate", "measure", "item of a stream")
_OURS = frozenset({"internal", "unavailable", "not_ready", "deadline_exceeded"})  # as deploy/monitoring counts them

Labels = Mapping[str, str]
Buckets = tuple[tuple[float, float], ...]  # (upper bound, how many up to it), ascending


@dataclass(frozen=True, slots=True)
class Sample:
    """The counters at a moment.

    Attributes:
        at_s: on the clock of `time.monotonic`.
        calls: calls of the gateway, and items of its streams, that were answered.
        failed: those of them that got an error.
        faults: those of the failed that were our fault, not the caller's.
        durations: buckets of seconds, by stage; "call" is a whole single call, "item of a stream" one of those.
        batches: how many, by model; rows: those in them; queued_rows: those that wait now.
        expressions: faces by what they showed.
    """

    at_s: float
    calls: float
    failed: float
    faults: float
    durations: Mapping[str, Buckets]
    batches: Mapping[str, float]
    rows: Mapping[str, float]
    queued_rows: Mapping[str, float]
    expressions: Mapping[str, float]


class History:
    """The last `SAMPLES` samples, one every `EVERY_S`."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics
        self._samples: deque[Sample] = deque(maxlen=SAMPLES)
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begin to sample."""
        self._task = asyncio.create_task(self._sample())

    async def close(self) -> None:
        """Sample no more."""
        if self._task:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task

    def take(self) -> None:
        """Take a sample now."""
        self._samples.append(_sample(self._metrics))

    def document(self) -> dict[str, object]:
        """The series, oldest first, one value for each sample but the first; None where nothing happened."""
        samples = list(self._samples)
        steps = list(pairwise(samples))
        wide = [(samples[max(0, at - _WINDOW)], samples[at]) for at in range(1, len(samples))]
        stages = [name for name in _STAGES if any(name in sample.durations for sample in samples)]
        models = sorted({name for sample in samples for name in sample.queued_rows})
        first, last = (samples[0], samples[-1]) if samples else (None, None)
        return {
            "every_s": EVERY_S,
            "seconds": [round(new.at_s - samples[-1].at_s, 1) for _, new in steps],
            "per_s": {
                name: [
                    _rounded((getattr(new, name) - getattr(old, name)) / (new.at_s - old.at_s)) for old, new in steps
                ]
                for name in ("calls", "failed", "faults")
            },
            "quantiles_s": {
                stage: {
                    key: [
                        _seconds(quantile(share, new.durations.get(stage, ()), old.durations.get(stage, ())))
                        for old, new in wide
                    ]
                    for key, share in (("p50", 0.5), ("p99", 0.99))
                }
                for stage in stages
            },
            "queued_rows": {model: [new.queued_rows.get(model, 0) for _, new in steps] for model in models},
            "rows_per_batch": {
                model: [
                    _ratio(_grown(old.rows, new.rows, model), _grown(old.batches, new.batches, model))
                    for old, new in wide
                ]
                for model in models
            },
            "places": self._places(),
            "links": {labels["to"]: not broken for labels, broken in _values(self._metrics.link_broken, "")},
            "expressions": {
                name: _grown(first.expressions, last.expressions, name) if first and last else 0.0
                for name in EXPRESSIONS
            },
        }

    def models(self) -> list[ModelVersion]:
        """The models that run in this process."""
        labels = [labels for labels, _ in _values(self._metrics.models, "")]
        return [ModelVersion(one["model"], int(one["version"])) for one in labels]

    def _places(self) -> dict[str, dict[str, float]]:
        """Now: of each sort of call that the gateway admits, how many and of how many."""
        gauges = {"taken": self._metrics.places_taken, "limit": self._metrics.places}
        found: dict[str, dict[str, float]] = {}
        for key, gauge in gauges.items():
            for labels, value in _values(gauge, ""):
                if labels["service"] == "gateway" and labels["sort"] != "patient":  # those are for services behind it
                    found.setdefault(labels["sort"], {})[key] = value
        return found

    async def _sample(self) -> None:
        while True:
            self.take()
            await asyncio.sleep(EVERY_S)


def quantile(share: float, new: Buckets, old: Buckets = ()) -> float | None:
    """The value below which `share` of what came between two readings lies, straight within a bucket, as Prometheus
    has it; None where nothing came. The last bucket has no upper bound: its lower one is the answer.
    """
    before = dict(old)
    bounds, counts = [bound for bound, _ in new], [count - before.get(bound, 0.0) for bound, count in new]
    if not counts or counts[-1] <= 0:
        return None
    wanted = share * counts[-1]
    at = bisect.bisect_left(counts, wanted)
    lower, under = (bounds[at - 1], counts[at - 1]) if at else (0.0, 0.0)
    if at == len(counts) - 1:
        return lower
    return lower + (bounds[at] - lower) * (wanted - under) / (counts[at] - under)


def _sample(metrics: Metrics) -> Sample:
    items, requests = list(_values(metrics.stream_items, "_total")), list(_values(metrics.requests, "_total"))
    failures = list(_values(metrics.failures, "_total"))

    def ours(labels: Labels) -> bool:
        return labels["service"] == "gateway" and (labels["transport"] == "grpc" or labels["method"].startswith("/v1/"))

    failed_items = [(labels["code"], value) for labels, value in items if labels["code"] != "ok"]
    failed_calls = [(labels["reason"], value) for labels, value in failures if ours(labels)]
    failed = failed_items + failed_calls
    stages = _buckets(metrics.stage_duration, lambda labels: labels["stage"])
    calls = _buckets(metrics.request_duration, lambda labels: "call" if ours(labels) else "")
    calls.pop("", None)
    patient = _buckets(metrics.stream_item_duration, lambda labels: "item of a stream")
    return Sample(
        time.monotonic(),
        sum(value for labels, value in requests if ours(labels)) + sum(value for _, value in items),
        sum(value for _, value in failed),
        sum(value for reason, value in failed if reason in _OURS),
        calls | patient | stages,
        _summed(_values(metrics.batch_rows, "_count"), "model"),
        _summed(_values(metrics.batch_rows, "_sum"), "model"),
        _summed(_values(metrics.queued_rows, ""), "model"),
        _summed(_values(metrics.expressions, "_total"), "expression"),
    )


def _values(metric: MetricWrapperBase, ending: str) -> Iterable[tuple[Labels, float]]:
    for family in metric.collect():
        for sample in family.samples:
            if sample.name == family.name + ending:
                yield sample.labels, sample.value


def _summed(values: Iterable[tuple[Labels, float]], label: str) -> dict[str, float]:
    sums: dict[str, float] = {}
    for labels, value in values:
        sums[labels[label]] = sums.get(labels[label], 0.0) + value
    return sums


def _buckets(metric: MetricWrapperBase, key: Callable[[Labels], str]) -> dict[str, Buckets]:
    sums: dict[str, dict[float, float]] = {}
    for labels, value in _values(metric, "_bucket"):
        buckets, bound = sums.setdefault(key(labels), {}), float(labels["le"])
        buckets[bound] = buckets.get(bound, 0.0) + value
    return {name: tuple(sorted(buckets.items())) for name, buckets in sums.items()}


def _grown(old: Mapping[str, float], new: Mapping[str, float], name: str) -> float:
    return new.get(name, 0.0) - old.get(name, 0.0)


def _ratio(above: float, below: float) -> float | None:
    return _rounded(above / below) if below else None


def _seconds(value: float | None) -> float | None:
    return None if value is None else round(value, 5)


def _rounded(value: float) -> float:
    return round(value, 2)

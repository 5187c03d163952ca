"""The status page's figures, from counters that the tests set."""

from __future__ import annotations

import pytest

from services.domain import ModelVersion
from services.errors import Kind
from services.gateway.history import SAMPLES, History, quantile
from services.metrics import Metrics

INFINITE = float("inf")


def test_a_quantile_lies_straight_within_its_bucket_as_prometheus_has_it() -> None:
    buckets = ((0.1, 10.0), (0.5, 30.0), (INFINITE, 40.0))
    assert quantile(0.25, buckets) == pytest.approx(0.1)
    assert quantile(0.5, buckets) == pytest.approx(0.3)
    assert quantile(0.99, buckets) == 0.5  # nobody knows how much more


def test_a_quantile_is_of_what_came_since_the_other_reading() -> None:
    old, new = ((0.1, 100.0), (0.5, 100.0), (INFINITE, 100.0)), ((0.1, 100.0), (0.5, 110.0), (INFINITE, 110.0))
    assert quantile(0.5, new, old) == pytest.approx(0.3)
    assert quantile(0.5, new, new) is None


def test_it_counts_calls_and_items_of_the_gateway_and_tells_our_faults_from_the_callers() -> None:
    metrics = Metrics("test")
    history = History(metrics)
    history.take()
    for service, method in (("gateway", "/v1/classify"), ("gateway", "/metrics"), ("detection", "/v1/detect")):
        metrics.requests.labels(service, "rest", method, "200").inc(4)
    metrics.failed("gateway", "rest", "/v1/classify", Kind.NOT_AN_IMAGE)
    metrics.failed("detection", "grpc", "Detect", Kind.INTERNAL)
    metrics.stream_items.labels("ClassifyStream", "unavailable").inc(2)
    history.take()
    rates = history.document()["per_s"]
    assert isinstance(rates, dict)
    calls, failed, faults = (rates[name][0] for name in ("calls", "failed", "faults"))
    assert calls == pytest.approx(6 / 3 * failed, rel=0.01)  # 4 calls and 2 items; one call and both items failed
    assert faults == pytest.approx(2 / 3 * failed, rel=0.01)
    assert failed > 0


def test_rows_in_a_batch_are_those_of_the_last_seconds_and_nothing_where_none_ran() -> None:
    metrics, model = Metrics("test"), ModelVersion("m", 1)
    history = History(metrics)
    metrics.loaded(model, 0.5)
    metrics.inferred(model, 100, 0.1)
    history.take()
    history.take()
    metrics.inferred(model, 3, 0.1)
    metrics.inferred(model, 5, 0.1)
    metrics.queued(model, 7)
    history.take()
    document = history.document()
    assert document["rows_per_batch"] == {"m": [None, 4.0]}
    assert document["queued_rows"] == {"m": [0.0, 7.0]}


def test_it_keeps_five_minutes_and_no_more() -> None:
    history = History(Metrics("test"))
    for _ in range(SAMPLES + 20):
        history.take()
    assert len(history.document()["seconds"]) == SAMPLES - 1  # type: ignore[arg-type]

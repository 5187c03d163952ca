"""Reading `/metrics` as Prometheus would: samples by name and labels, and what changed between two scrapes."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable

import httpx
from prometheus_client.parser import text_string_to_metric_families

Sample = tuple[str, frozenset[tuple[str, str]]]


def sample(name: str, **labels: object) -> Sample:
    return name, frozenset((key, str(value)) for key, value in labels.items())


def scrape(url: str) -> dict[Sample, float]:
    """All samples at a service's address."""
    text = httpx.get(f"{url}/metrics", timeout=60).raise_for_status().text
    families = text_string_to_metric_families(text)
    return {sample(one.name, **one.labels): one.value for family in families for one in family.samples}


def difference(before: dict[Sample, float], after: dict[Sample, float], names: set[str]) -> Counter[Sample]:
    """How much each sample of these names grew; those that did not are left out."""
    grown = {key: value - before.get(key, 0.0) for key, value in after.items() if key[0] in names}
    return Counter({key: value for key, value in grown.items() if value})  # type: ignore[arg-type]


def ended(ledger: Counter[Sample]) -> Counter[Sample]:
    """With one reason for a stage that was given up: when a call's time is over, the gateway's clock, which cancels the
    stage, and the stage's own run out within the same few milliseconds, and either may be the first."""
    found: Counter[Sample] = Counter()
    late, cancelled = ("reason", "deadline_exceeded"), ("reason", "cancelled")
    for (name, labels), value in ledger.items():
        given_up = name in {"mien_stage_failures_total", "mien_inference_dropped_total"} and late in labels
        found[name, labels - {late} | {cancelled} if given_up else labels] += value
    return found


def until(url: str, true: Callable[[dict[Sample, float]], bool], within_s: float = 60.0) -> int:
    """Scrape until it is true; how many scrapes that took."""
    deadline, scrapes = time.monotonic() + within_s, 0
    while time.monotonic() < deadline:
        scrapes += 1
        if true(scrape(url)):
            return scrapes
        time.sleep(0.05)
    raise AssertionError(f"not true within {within_s} s")

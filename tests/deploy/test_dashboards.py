"""Dashboards: a real Prometheus beside the real process under traffic has data for every panel."""

from __future__ import annotations

import json
import math
import shutil
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from mien import Client
from tests.deploy.prometheus import DASHBOARDS, MONITORING, names_in, program
from tests.e2e.conftest import generating_repository  # noqa: F401 (a fixture)
from tests.e2e.generating import PICTURE
from tests.scrapes import sample, scrape
from tests.services.inference.toy_repository import write_classifier
from tests.stack import Stack, free_ports, running

SERVICES = ("gateway", "detection", "classification", "generation")
WITHIN_S = 180.0  # on a machine that is busy with other tests


def panels() -> list[tuple[str, dict[str, Any]]]:
    return [(path.stem, panel) for path in DASHBOARDS for panel in json.loads(path.read_text())["panels"]]


def queries(only_triton: bool) -> list[tuple[str, str]]:
    """(where, PromQL) of every panel's every line, Grafana's own variable filled in."""
    return [
        (f"{name}: {panel['title']}", target["expr"].replace("$__rate_interval", "1m"))
        for name, panel in panels()
        if (panel.get("description") == "Only with Triton.") == only_triton
        for target in panel["targets"]
    ]


@pytest.fixture(scope="module")
def stack(generating_repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:  # noqa: F811
    """With a shadow, whose panel would else be empty."""
    models = tmp_path_factory.mktemp("shadowed") / "models"
    shutil.copytree(generating_repository, models)
    write_classifier(models, version=2)
    with running("all", model_repository=models, shadow="expression_classifier=1") as process:
        yield process


@contextmanager
def traffic(stack: Stack) -> Iterator[None]:
    """Calls and streams of all sorts, some of them bad, until the block ends."""
    stop = threading.Event()

    def work() -> None:
        with Client(stack.address(), timeout_s=60) as client, httpx.Client(base_url=stack.url(), timeout=60) as http:
            while not stop.is_set():
                for path in ("classify", "detect", "generate?expression=fear&format=json"):
                    http.post(f"/v1/{path}", files={"image": PICTURE})
                http.post("/v1/classify", files={"image": b"no picture"})
                for stream in (client.classify_stream, client.detect_stream):
                    list(stream([("good", PICTURE), ("bad", b"no picture")]))

    worker = threading.Thread(target=work)
    worker.start()
    try:
        yield
    finally:
        stop.set()
        worker.join()


@contextmanager
def prometheus(stack: Stack, folder: Path) -> Iterator[str]:
    """Our own configuration, hurried: the URL of a Prometheus that scrapes the stack's four ports."""
    (port,) = free_ports(1)
    config = yaml.safe_load((MONITORING / "prometheus.yml").read_text())
    config["global"] = {"scrape_interval": "4s", "scrape_timeout": "4s", "evaluation_interval": "4s"}
    config["scrape_configs"] = [job for job in config["scrape_configs"] if job["job_name"] == "mien"]
    for target, service in zip(config["scrape_configs"][0]["static_configs"], SERVICES, strict=True):
        assert target["labels"]["service"] == service
        target["targets"] = [stack.url(service).removeprefix("http://")]
    (folder / "rules").mkdir()
    for rules in (MONITORING / "rules").glob("*.yml"):
        (folder / "rules" / rules.name).write_text(rules.read_text().replace("interval: 5m\n", "interval: 4s\n"))
    (folder / "prometheus.yml").write_text(yaml.safe_dump(config))
    arguments = [f"--config.file={folder}/prometheus.yml", f"--storage.tsdb.path={folder}/data"]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [program("prometheus"), *arguments, f"--web.listen-address=127.0.0.1:{port}"], stdout=log, stderr=log
        )
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(60)


def answer(url: str, query: str) -> list[float]:
    """The values of an instant query that are numbers; none where nobody answers yet."""
    try:
        body = httpx.get(f"{url}/api/v1/query", params={"query": query}, timeout=30).json()
    except httpx.TransportError:
        return []
    assert body["status"] == "success", (query, body.get("error"))
    values = [float(one["value"][1]) for one in body["data"]["result"]]
    return [value for value in values if not math.isnan(value)]


def test_every_panel_shows_data_under_traffic_and_four_ports_of_one_process_count_once(
    stack: Stack, tmp_path: Path
) -> None:
    program("prometheus")
    with prometheus(stack, tmp_path) as url:
        with traffic(stack):
            empty, deadline = queries(only_triton=False), time.monotonic() + WITHIN_S
            assert len(empty) > 40
            while empty and time.monotonic() < deadline:
                time.sleep(1)
                empty = [(where, query) for where, query in empty if not answer(url, query)]
        assert empty == []
        reading = {"service": "gateway", "transport": "rest", "method": "/v1/classify", "code": 200}
        rows = {"model": "expression_classifier"}
        counted = scrape(stack.url())
        for query, want in (
            ('sum(mien_requests_total{method="/v1/classify",code="200"})', ("mien_requests_total", reading)),
            (f'sum(mien_batch_rows_sum{{model="{rows["model"]}"}})', ("mien_batch_rows_sum", rows)),
            ("sum(mien_image_faces_count)", ("mien_image_faces_count", {})),
        ):
            value = counted[sample(want[0], **want[1])]
            while answer(url, query) != [value]:
                assert time.monotonic() < deadline + WITHIN_S, (query, answer(url, query), value)
                time.sleep(0.5)


def test_panels_of_triton_are_queries_that_prometheus_can_read(tmp_path: Path) -> None:
    rules = [{"record": "panel", "expr": query} for _, query in queries(only_triton=True)]
    assert len(rules) >= 6
    path = tmp_path / "panels.yml"
    path.write_text(
        yaml.safe_dump(
            {
                "groups": [
                    {"name": "panels", "rules": [dict(rule, labels={"number": str(k)}) for k, rule in enumerate(rules)]}
                ]
            }
        )
    )
    done = subprocess.run([program("promtool"), "check", "rules", path], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr


def test_panels_without_triton_stand_on_metrics_of_ours_and_those_with_it_on_its() -> None:
    for where, query in queries(only_triton=True):
        assert "nv_" in query, where
    for where, query in queries(only_triton=False):
        assert names_in(query) or "mien" in query, where
        assert "nv_" not in query, where

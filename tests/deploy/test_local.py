"""The whole deployment as processes, started and ended by the real supervisor on free ports."""

from __future__ import annotations

import shutil
import signal
import threading
import time
from pathlib import Path

import httpx
import psutil
import pytest

from deploy.programs import prometheus
from services.settings import Settings
from tests.clustered import supervised, until

ROOT = Path(__file__).resolve().parents[2]


def test_ctrl_c_ends_the_gateway_first_and_loses_no_call(toy_repository: Path, photo: bytes, tmp_path: Path) -> None:
    log = tmp_path / "log"
    with supervised(log, MODEL_REPOSITORY=toy_repository) as (process, ports):
        until(process, log, "ready: http://")
        url = f"http://127.0.0.1:{ports['GATEWAY_REST_PORT']}/v1/classify"
        codes: list[int] = []

        def keep_asking() -> None:
            with httpx.Client(timeout=60) as client:
                try:
                    while True:
                        codes.append(client.post(url, files={"image": photo}).status_code)
                except httpx.TransportError:  # the listener has closed
                    return

        callers = [threading.Thread(target=keep_asking) for _ in range(2)]
        for caller in callers:
            caller.start()
        while len(codes) < 5:
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        assert process.wait(90) == 0, log.read_text()
        for caller in callers:
            caller.join()
        assert set(codes) == {200}
        ends = [line.split()[0] for line in log.read_text().splitlines() if line.endswith("stopped (0)")]
        assert ends[0] == "gateway"
        assert sorted(ends[1:]) == ["classification", "detection", "generation"]


def test_when_one_dies_all_end_and_the_sentence_names_it(toy_repository: Path, tmp_path: Path) -> None:
    log = tmp_path / "log"
    with supervised(log, MODEL_REPOSITORY=toy_repository) as (process, _):
        until(process, log, "ready: http://")
        children = psutil.Process(process.pid).children()
        (victim,) = (child for child in children if child.cmdline()[-1] == "classification")
        victim.kill()
        assert process.wait(90) == 1
        assert "classification ended by itself" in log.read_text()
        assert not any(child.is_running() for child in children)


def test_a_service_that_cannot_start_is_named_and_nothing_is_left(toy_repository: Path, tmp_path: Path) -> None:
    log = tmp_path / "log"
    with supervised(log, MODEL_REPOSITORY=toy_repository, DETECTOR="yunet") as (process, _):
        assert process.wait(90) == 1
        assert "detection ended with status 2" in log.read_text()
        assert "MIEN_YUNET_MODEL" in log.read_text()
        assert "Traceback" not in log.read_text()


def test_triton_that_is_not_installed_is_one_sentence(toy_repository: Path, tmp_path: Path) -> None:
    log = tmp_path / "log"
    with supervised(log, "--triton", MODEL_REPOSITORY=toy_repository, TRITON_PYTHON=tmp_path / "none") as (process, _):
        assert process.wait(60) == 1
        assert "make triton" in log.read_text()
        assert "Traceback" not in log.read_text()


def test_prometheus_scrapes_the_ports_that_the_services_have_here(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ports that trade places are the case that a careless replacement gets wrong."""
    if shutil.which("prometheus") is None or not (ROOT / "deploy/monitoring/prometheus.yml").is_file():
        pytest.skip("needs Prometheus (Debian: apt-get install prometheus) and deploy/monitoring/prometheus.yml")
    settings = Settings(gateway_rest_port=8081, detection_rest_port=8080, generation_rest_port=28083)
    program = prometheus(
        settings, tmp_path, {"MIEN_PROMETHEUS_PORT": "29090", "MIEN_TRITON_ADDRESS": "127.0.0.1:28001"}
    )
    text = (tmp_path / "prometheus.yml").read_text()
    assert [text.index(f"127.0.0.1:{port}") for port in (8081, 8080, 8082, 28083, 28002, 29090)] == sorted(
        text.index(f"127.0.0.1:{port}") for port in (8081, 8080, 8082, 28083, 28002, 29090)
    )
    assert program.ready_url == "http://127.0.0.1:29090/-/ready"

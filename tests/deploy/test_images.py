"""What goes into the images and how compose starts them, as far as it can be told without an engine."""

from __future__ import annotations

import re
import tomllib
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
import yaml

from deploy import health
from services.chassis import server
from services.settings import Settings

ROOT = Path(__file__).resolve().parents[2]
DOCKERFILE = (ROOT / "deploy" / "Dockerfile").read_text()
SERVICES = ("gateway", "detection", "classification", "generation")


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    told: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
    return told


def test_the_targets_are_serve_serve_gpu_and_train_on_a_pinned_base() -> None:
    assert {"serve", "serve-gpu", "train"} <= set(re.findall(r"^FROM .* AS (\S+)$", DOCKERFILE, re.MULTILINE))
    assert re.search(r"^ARG BASE=docker\.io/library/python:3\.\d+\.\d+-slim-\w+$", DOCKERFILE, re.MULTILINE)
    assert "USER 10001:10001" in DOCKERFILE
    assert DOCKERFILE.count("--require-hashes") == DOCKERFILE.count("-r deploy/requirements/")


@pytest.mark.parametrize(("lock", "extra"), [("serve", "cpu"), ("serve-gpu", "gpu"), ("train", "train")])
def test_a_lock_holds_what_pyproject_asks_for_with_hashes(lock: str, extra: str) -> None:
    """Whoever adds a dependency and forgets `make lock` gets an image that does not start."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    serving = [*extras["serving"], *extras["tracing"]] if extra != "train" else []
    wanted = [*project["dependencies"], *extras[extra], *serving]
    names = {re.split(r"[\[<>=!~ ]", one)[0] for one in wanted} - {"mien"}
    text = (ROOT / "deploy" / "requirements" / f"{lock}.txt").read_text()
    locked = dict(re.findall(r"^([a-z0-9-]+)==(\S+) \\\n    --hash=sha256:", text, re.MULTILINE))
    assert names <= locked.keys()
    assert len(re.findall(r"^[a-z0-9-]+==", text, re.MULTILINE)) == len(locked)
    assert "torch" not in locked or lock == "train"


def test_the_build_sees_nothing_but_what_it_needs() -> None:
    lines = (ROOT / ".dockerignore").read_text().splitlines()
    assert "*" in lines
    copied = {
        path for line in re.findall(r"^COPY (?!--from)(.+)$", DOCKERFILE, re.MULTILINE) for path in line.split()[:-1]
    }
    allowed = {line[1:].rstrip("/") for line in lines if line.startswith("!")}
    for path in copied:
        assert any(path.rstrip("/") == one or path.startswith(f"{one}/") for one in allowed), path


def test_the_health_check_asks_the_ports_that_the_services_have() -> None:
    assert {name: getattr(Settings(), f"{name}_rest_port") for name in SERVICES} == health.PORTS


@pytest.mark.parametrize(
    ("command", "role"),
    [
        ("/opt/mien/bin/python3\0/opt/mien/bin/mien\0serve\0detection\0", "detection"),
        ("mien\0serve\0all\0", "gateway"),
        ("mien\0serve\0", "gateway"),
        ("sh\0-c\0exec mien serve generation", "generation"),
        ("sleep\0inf", "gateway"),
    ],
)
def test_the_health_check_knows_the_role_by_the_first_process(command: str, role: str) -> None:
    assert health.role(command) == role


def test_the_health_check_asks_where_the_service_listens() -> None:
    assert health.url("detection", {}) == "http://127.0.0.1:8081/readyz"
    settings = {"MIEN_HOST": "0.0.0.0", "MIEN_DETECTION_REST_PORT": "9001"}
    assert health.url("detection", settings) == "http://127.0.0.1:9001/readyz"
    assert health.url("gateway", {"MIEN_HOST": "10.0.0.7"}) == "http://10.0.0.7:8080/readyz"
    assert health.url("gateway", {"MIEN_TLS_CERTIFICATE": "/tls.crt"}) == "https://127.0.0.1:8080/readyz"


@pytest.mark.parametrize(("status", "ready"), [(200, True), (503, False), (404, False)])
def test_only_200_is_ready(status: int, ready: bool) -> None:
    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            self.end_headers()

        def log_message(self, *arguments: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Answer) as web:
        Thread(target=web.handle_request, daemon=True).start()
        assert health.ready(f"http://127.0.0.1:{web.server_port}/readyz") is ready
    assert not health.ready(f"http://127.0.0.1:{web.server_port}/readyz")


def test_compose_sets_only_what_the_services_read(compose: dict[str, Any]) -> None:
    known = {f"MIEN_{name.upper()}" for name in Settings.model_fields}
    assert compose["x-settings"].keys() <= known
    for name, given in compose["x-settings"].items():
        setting = name.removeprefix("MIEN_").lower()
        default = re.fullmatch(r"\$\{(\w+):-(.*)\}", str(given))
        if default and setting in Settings.model_fields and setting != "drain_s":
            assert default[1] == name
            assert str(getattr(Settings(), setting)) in (default[2], f"{default[2]}.0")


def test_compose_starts_four_services_that_can_write_nothing(compose: dict[str, Any]) -> None:
    for name in SERVICES:
        service = compose["services"][name]
        assert service["command"] == ["serve", name]
        assert service["read_only"] is True
        assert service["cap_drop"] == ["ALL"]
        assert service["restart"] == "unless-stopped"
        assert service["deploy"]["resources"]["limits"].keys() == {"cpus", "memory", "pids"}
        assert "tmpfs" not in service
        assert "volumes" not in service
        assert float(service["stop_grace_period"].removesuffix("s")) >= 5 + server._GRACE_S + 5
        assert name == "gateway" or "ports" not in service
        assert name == "gateway" or service["networks"] == ["inside"]
    assert compose["networks"]["inside"] == {"internal": True}


def test_compose_keeps_triton_and_monitoring_aside_and_every_image_pinned(compose: dict[str, Any]) -> None:
    profiles = {name: service.get("profiles") for name, service in compose["services"].items()}
    assert profiles == dict.fromkeys(SERVICES) | {
        "models": ["triton"],
        "triton": ["triton"],
        "prometheus": ["monitoring"],
        "grafana": ["monitoring"],
        "jaeger": ["tracing"],
    }
    triton = compose["services"]["triton"]
    assert "ports" not in triton
    assert triton["networks"] == ["inside"]
    assert triton["deploy"]["resources"]["reservations"]["devices"][0]["capabilities"] == ["gpu"]
    for name in ("triton", "prometheus", "grafana", "jaeger"):
        assert re.fullmatch(r"\$\{\w+:-\S+:v?\d+\.\d+\S*\}", compose["services"][name]["image"])
        assert compose["services"][name]["healthcheck"]["test"]

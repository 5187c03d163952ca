"""What `deploy.local` starts: the services, Triton, Prometheus; each with its command and sign of readiness."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from services.settings import Settings

HERE = Path(__file__).resolve().parent
ROLES = ("gateway", "detection", "classification", "generation")
TRITON_ADDRESS = "127.0.0.1:8001"
PROMETHEUS_PORT = 9090


@dataclass(frozen=True, slots=True)
class Program:
    """A process to start. `environment` is added to ours; 200 from `ready_url` means that it is ready."""

    name: str
    command: tuple[str, ...]
    ready_url: str
    environment: Mapping[str, str] = field(default_factory=dict)


def services(settings: Settings, with_triton: bool) -> tuple[list[Program], Program]:
    """The three services behind, and the gateway."""
    environment = {"PYTHONUNBUFFERED": "1"}
    for role in ROLES[1:]:
        environment[f"MIEN_{role.upper()}_ADDRESS"] = f"{_host(settings)}:{getattr(settings, f'{role}_rpc_port')}"
    if with_triton:
        environment["MIEN_BACKEND"] = "triton"

    def service(role: str) -> Program:
        url = f"{rest_scheme(settings)}://{_host(settings)}:{getattr(settings, f'{role}_rest_port')}/readyz"
        return Program(role, (sys.executable, "-m", "mien.cli", "serve", role), url, environment)

    return [service(role) for role in ROLES[1:]], service("gateway")


def triton(settings: Settings, environment: Mapping[str, str]) -> Program:
    """NVIDIA's server from its own virtual environment, on the services' model repository.

    Raises:
        OSError: it is not installed.
    """
    python = Path(environment.get("MIEN_TRITON_PYTHON", HERE.parent / ".venv-triton" / "bin" / "python"))
    script = HERE / "triton" / "serve.py"
    if not (python.is_file() and script.is_file()):
        raise OSError("--triton: there is no Triton in .venv-triton; run make triton once (Linux on x86-64 only).")
    port = int(environment.get("MIEN_TRITON_ADDRESS", TRITON_ADDRESS).rpartition(":")[2])
    ports = (f"--http-port={port - 1}", f"--grpc-port={port}", f"--metrics-port={port + 1}")
    command = (str(python), str(script), f"--repository={settings.model_repository}", *ports)
    return Program("triton", command, f"http://127.0.0.1:{port - 1}/v2/health/ready")


def prometheus(settings: Settings, folder: Path, environment: Mapping[str, str]) -> Program:
    """A Prometheus with the rules of deploy/monitoring, which scrapes the ports that the services have here.

    Args:
        folder: where it may keep what it scrapes; emptied afterwards.

    Raises:
        OSError: it is not installed, or deploy/monitoring has no prometheus.yml.
    """
    binary, told = shutil.which("prometheus"), HERE / "monitoring" / "prometheus.yml"
    if binary is None or not told.is_file():
        raise OSError(
            "--prometheus: install Prometheus (apt-get install prometheus) and keep deploy/monitoring/prometheus.yml."
        )
    text = told.read_text()
    triton_port = int(environment.get("MIEN_TRITON_ADDRESS", TRITON_ADDRESS).rpartition(":")[2])
    port = int(environment.get("MIEN_PROMETHEUS_PORT", PROMETHEUS_PORT))
    moved = {8080 + number: getattr(settings, f"{role}_rest_port") for number, role in enumerate(ROLES)}
    # all at once: one port's new number may be another's old one
    for number, (old, _) in enumerate(pairs := [*moved.items(), (8002, triton_port + 1), (PROMETHEUS_PORT, port)]):
        text = text.replace(f"127.0.0.1:{old}", f"<{number}>")
    for number, (_, new) in enumerate(pairs):
        text = text.replace(f"<{number}>", f"127.0.0.1:{new}")
    (folder / "prometheus.yml").write_text(text)
    (folder / "rules").symlink_to(HERE / "monitoring" / "rules")
    options = (f"--config.file={folder / 'prometheus.yml'}", f"--storage.tsdb.path={folder / 'data'}")
    command = (binary, *options, f"--web.listen-address=127.0.0.1:{port}", "--log.level=warn")
    return Program("prometheus", command, f"http://127.0.0.1:{port}/-/ready")


def rest_scheme(settings: Settings) -> str:
    return "https" if settings.tls_certificate else "http"


def _host(settings: Settings) -> str:
    """Where the services are reached on this machine."""
    return "127.0.0.1" if settings.host == "0.0.0.0" else settings.host  # noqa: S104

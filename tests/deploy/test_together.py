"""`make run BACKEND=triton`: one command starts Triton and the stack, one Ctrl-C stops both."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import httpx
import psutil

from tests.stack import PORTS, free_ports
from tests.triton_server import ROOT, python


def test_ctrl_c_stops_the_stack_and_then_triton(toy_repository: Path, tmp_path: Path) -> None:
    triton_ports, ports = free_ports(3), dict(zip(PORTS, free_ports(len(PORTS)), strict=True))
    settings = {f"MIEN_{name}": str(port) for name, port in ports.items()}
    settings |= {"MIEN_MODEL_REPOSITORY": str(toy_repository), "MIEN_TRITON_ADDRESS": f"127.0.0.1:{triton_ports[0]}"}
    settings |= {"MIEN_TRITON_PYTHON": python()}
    command = [sys.executable, ROOT / "deploy" / "triton" / "together.py"]
    command += ["--http-port", str(triton_ports[1]), "--metrics-port", str(triton_ports[2])]
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen(
            command, env=os.environ | settings, stdout=log, stderr=log, start_new_session=True, cwd=tmp_path
        )
    try:
        url = f"http://127.0.0.1:{ports['GATEWAY_REST_PORT']}/readyz"
        deadline = time.monotonic() + 120
        while not _answers(url) and process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.2)
        assert _answers(url), (tmp_path / "log").read_text()[-4000:]
        family = psutil.Process(process.pid).children(recursive=True)
        assert any("tritonserver" in one.name() for one in family)
        os.killpg(process.pid, signal.SIGINT)  # as a terminal does
        assert process.wait(60) == 0
        assert not psutil.wait_procs(family, timeout=30)[1]
    finally:
        if process.poll() is None:
            for one in [*psutil.Process(process.pid).children(recursive=True), process]:
                one.kill()


def _answers(url: str) -> bool:
    with suppress(httpx.TransportError):
        return httpx.get(url, timeout=5).status_code == 200
    return False

"""The process itself: start, readiness, the orderly end, refusals at start."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import httpx
import pytest

from mien.tables import EXPRESSIONS
from tests.stack import Stack, free_ports, running


def test_sigterm_turns_readiness_off_first_then_finishes_what_is_in_flight(toy_repository: Path, photo: bytes) -> None:
    with running("all", model_repository=toy_repository, drain_s=4) as stack:
        answers: list[int] = []
        stopping = threading.Event()

        def keep_asking() -> None:
            with httpx.Client(timeout=30) as client:
                while not stopping.is_set():
                    answers.append(client.post(stack.url() + "/v1/classify", files={"image": photo}).status_code)

        callers = [threading.Thread(target=keep_asking) for _ in range(4)]
        for caller in callers:
            caller.start()
        time.sleep(0.5)
        stack.process.send_signal(signal.SIGTERM)
        while httpx.get(stack.url() + "/readyz", timeout=30).status_code == 200:  # the listener still answers
            time.sleep(0.05)
        stopping.set()
        for caller in callers:
            caller.join()
        assert answers
        assert set(answers) == {200}
        assert stack.process.wait(20) == 0


def test_ctrl_c_ends_without_a_traceback(toy_repository: Path) -> None:
    with running("all", model_repository=toy_repository) as stack:
        assert stack.stop(signal.SIGINT) == 0
        assert "Traceback" not in stack.log.read_text()


def test_a_taken_port_is_named(toy_stack: Stack, toy_repository: Path) -> None:
    port = toy_stack.ports["GATEWAY_REST_PORT"]
    with running("all", ready=False, model_repository=toy_repository, gateway_rest_port=port) as stack:
        assert stack.process.wait(30) == 2
        log = stack.log.read_text()
        assert f"cannot listen on 127.0.0.1:{port}" in log
        assert "Traceback" not in log


def test_a_missing_model_repository_is_one_sentence(tmp_path: Path) -> None:
    with running("all", ready=False, model_repository=tmp_path / "nowhere") as stack:
        assert stack.process.wait(30) == 2
        log = stack.log.read_text()
        assert "model repository" in log.lower()
        assert "Traceback" not in log


@pytest.mark.parametrize("present", [True, False])
def test_a_wrong_detector_file_is_one_sentence(tmp_path: Path, present: bool) -> None:
    if present:
        (tmp_path / "yunet.onnx").write_text("not a network")
    with running("detection", ready=False, yunet_model=tmp_path / "yunet.onnx") as stack:
        assert stack.process.wait(30) == 2
        assert "Traceback" not in stack.log.read_text()


def test_a_bad_setting_is_named(toy_repository: Path) -> None:
    with running("all", ready=False, model_repository=toy_repository, timeout_s=-1) as stack:
        assert stack.process.wait(30) == 2
        assert "MIEN_TIMEOUT_S" in stack.log.read_text()


def test_an_unknown_service_is_refused() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "mien.cli", "serve", "kitchen"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert "choose all, gateway" in done.stderr


def test_serving_never_imports_torch() -> None:
    """In a process where importing torch fails, everything that serves is imported all the same."""
    code = "import sys; sys.modules['torch'] = None; import services.app, mien.client, mien.cli; print('served')"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stdout == "served\n", done.stderr


def test_a_verb_without_its_extra_says_which_one_to_install() -> None:
    code = "import sys; sys.modules['fastapi'] = None; sys.argv = ['mien', 'serve']; from mien.cli import main; main()"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "pip install 'mien[cpu]'" in done.stderr


def test_the_command_line_reads_a_photo(toy_stack: Stack, photo: bytes, tmp_path: Path) -> None:
    (tmp_path / "photo.jpg").write_bytes(photo)
    command = [
        sys.executable,
        "-m",
        "mien.cli",
        "classify",
        str(tmp_path / "photo.jpg"),
        "--gateway",
        toy_stack.address(),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env={"COLUMNS": "80", "PATH": ""})
    assert done.returncode == 0, done.stderr
    assert "1 face in 320 x 240 pixels" in done.stdout.replace("\n", " ")
    assert all(name in done.stdout for name in EXPRESSIONS), "a narrow terminal shows every name whole"


def test_the_command_line_says_when_nobody_answers(photo: bytes, tmp_path: Path) -> None:
    (tmp_path / "photo.jpg").write_bytes(photo)
    address = f"127.0.0.1:{free_ports(1)[0]}"
    command = [sys.executable, "-m", "mien.cli", "classify", str(tmp_path / "photo.jpg"), "--gateway", address]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr

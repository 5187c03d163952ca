"""Triton and the stack in front of it, as one command: `make run BACKEND=triton`. Ctrl-C or SIGTERM stops both.

The stack is told first and drains while Triton still answers; then Triton is told. Where one of them ends by itself, so
does the other. Both take the repository and Triton's port from `MIEN_*`; arguments are `serve.py`'s.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def main() -> int:
    triton_python = os.environ.get("MIEN_TRITON_PYTHON", str(ROOT / ".venv-triton" / "bin" / "python"))
    repository = os.environ.get("MIEN_MODEL_REPOSITORY", str(ROOT / "model_repository"))
    address = os.environ.get("MIEN_TRITON_ADDRESS", "127.0.0.1:8001")
    command = [triton_python, str(ROOT / "deploy" / "triton" / "serve.py"), "--repository", repository]
    command += ["--grpc-port", address.rpartition(":")[2], *sys.argv[1:]]
    signal.signal(signal.SIGINT, lambda *_: None)  # the terminal tells the stack itself
    triton = subprocess.Popen(command, start_new_session=True)  # noqa: S603 - so Ctrl-C is not for Triton
    chosen = {"MIEN_BACKEND": "triton", "MIEN_TRITON_ADDRESS": address, "MIEN_MODEL_REPOSITORY": repository}
    stack = subprocess.Popen([sys.executable, "-m", "mien.cli", "serve", "all"], env=os.environ | chosen)
    signal.signal(signal.SIGTERM, lambda *_: stack.terminate())
    while stack.poll() is None and triton.poll() is None:
        time.sleep(0.2)
    if triton.poll() is not None:
        stack.terminate()
    stack.wait()
    triton.terminate()
    triton.wait()
    with contextlib.suppress(ProcessLookupError):
        os.killpg(triton.pid, signal.SIGKILL)  # what outlived a Triton that was killed
    return stack.returncode


if __name__ == "__main__":
    sys.exit(main())

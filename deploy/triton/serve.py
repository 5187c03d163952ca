"""Starts NVIDIA's Triton on the model repository, without a container: `make triton`.

Runs in `.venv-triton`, whose package nvidia-pytriton brings the server and its Python backend; with
`backends/onnxruntime` beside this file it serves the very `config.pbtxt` that NVIDIA's image serves with its native
backend. What Triton needs on disk is assembled in `.triton/` of the checkout. This process becomes Triton:
its signals are Triton's (SIGTERM finishes what is in flight), and its log too.
"""

from __future__ import annotations

import argparse
import ctypes
import filecmp
import importlib.util
import os
import shutil
import sys
import sysconfig
from collections.abc import Mapping
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
HERE = Path(__file__).resolve().parent
CACHE = ROOT / ".triton"
OVERLAYS = ("gpu",)


def main() -> None:
    options = _arguments()
    sys.stdout.flush()
    try:
        server, environment = installed()
        repository = options.repository.resolve(strict=True)
        if options.overlay:
            from overlay import assemble  # needs protobuf, which a start without an overlay does not

            repository = assemble(repository, HERE / options.overlay, CACHE / f"repository-{options.overlay}")
        backends = assemble_backends(server, CACHE / "backends")
    except OSError as error:
        sys.exit(f"Triton cannot be started: {error}")
    os.execve(server, [str(server), *_flags(options, repository, backends)], {**os.environ, **environment})  # noqa: S606


def installed() -> tuple[Path, Mapping[str, str]]:
    """The server's binary, and the environment in which it and its Python stub find their libraries.

    Raises:
        OSError: something is not there; the sentence says what to do.
    """
    package = importlib.util.find_spec("pytriton")
    if package is None or package.origin is None:
        raise OSError("nvidia-pytriton is not installed in this environment. Run make triton (Linux on x86-64 only).")
    folder = Path(package.origin).parent
    libraries = [folder.parent / "nvidia_pytriton.libs", *_libpython()]
    environment = {
        "LD_LIBRARY_PATH": os.pathsep.join([*map(str, libraries), os.environ.get("LD_LIBRARY_PATH", "")]),
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")]),
        "PYTHONPATH": str(folder.parent),
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    return folder / "tritonserver" / "bin" / "tritonserver", environment


def assemble_backends(server: Path, folder: Path) -> Path:
    """The Python backend, its stub for this Python, and our backend; several starts at once do no harm.

    Raises:
        OSError: the package has no stub for this version of Python.
    """
    version = f"{sys.version_info[0]}.{sys.version_info[1]}"
    brought = server.parents[1]
    stub = brought / "python_backend_stubs" / version / "triton_python_backend_stub"
    if not stub.is_file():
        known = ", ".join(sorted(path.name for path in stub.parents[1].iterdir()))
        raise OSError(
            f"nvidia-pytriton has no stub for Python {version}, only for {known}. Set PYTHON=python3.12, say."
        )
    _copy(stub, folder / "python" / stub.name)
    for name in ("libtriton_python.so", "triton_python_backend_utils.py"):
        _copy(brought / "backends" / "python" / name, folder / "python" / name)
    _copy(HERE / "backends" / "onnxruntime" / "model.py", folder / "onnxruntime" / "model.py")
    return folder


def _copy(source: Path, to: Path) -> None:
    """A copy, since Triton refuses a library that is a link out of its folder; replaced whole, for others may start."""
    if to.is_file() and filecmp.cmp(source, to):
        return
    to.parent.mkdir(parents=True, exist_ok=True)
    beside = to.with_name(f".{to.name}.{os.getpid()}")
    shutil.copy2(source, beside)
    beside.replace(to)


def _libpython() -> list[Path]:
    """Folders in which the stub finds this very Python's library."""
    name = str(sysconfig.get_config_var("INSTSONAME"))
    folder = Path(str(sysconfig.get_config_var("LIBDIR")))
    if (folder / name).is_file():
        return [folder]
    try:
        ctypes.CDLL(name)
    except OSError:
        raise OSError(
            f"Triton's Python backend needs {name}, which this Python was built without. "
            "Take one with a shared library: set PYTHON, or install the package libpython3-dev."
        ) from None
    return []


def _flags(options: argparse.Namespace, repository: Path, backends: Path) -> list[str]:
    flags = {
        "model-repository": repository,
        "backend-directory": backends,
        "http-address": options.address,
        "grpc-address": options.address,
        "metrics-address": options.address,
        "http-port": options.http_port,
        "grpc-port": options.grpc_port,
        "metrics-port": options.metrics_port,
        "model-control-mode": options.model_control_mode,
        "exit-timeout-secs": options.exit_timeout_s,
        "log-verbose": options.log_verbose,
    }
    if not options.overlay:
        flags["allow-gpu-metrics"] = "false"
    more = [f"--load-model={name}" for name in options.load_model]
    if options.otlp:  # rate 0: what the services trace, and nothing else
        told = ("mode=opentelemetry", "level=TIMESTAMPS", "rate=0", f"opentelemetry,url={options.otlp}/v1/traces")
        more += [f"--trace-config={one}" for one in told]
    # the configs are complete: nothing shall be guessed from the graphs
    return [*(f"--{name}={value}" for name, value in flags.items()), *more, "--disable-auto-complete-config"]


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Serve the model repository with NVIDIA's Triton.")
    parser.add_argument("--repository", type=Path, default=ROOT / "model_repository")
    parser.add_argument("--overlay", choices=OVERLAYS, help="change every config.pbtxt as this folder's files say")
    parser.add_argument("--address", default="127.0.0.1", help="where to listen; never a public one")
    parser.add_argument("--http-port", type=int, default=8000)
    parser.add_argument("--grpc-port", type=int, default=8001)
    parser.add_argument("--metrics-port", type=int, default=8002)
    parser.add_argument("--model-control-mode", choices=("none", "explicit", "poll"), default="none")
    parser.add_argument("--load-model", action="append", default=[], help="with explicit: load it at the start")
    parser.add_argument(
        "--exit-timeout-s", type=int, default=30, help="the longest that calls in flight are waited for"
    )
    parser.add_argument("--otlp", help="trace: a collector's OTLP over HTTP, http://host:4318")
    parser.add_argument("--log-verbose", type=int, default=0)
    return parser.parse_args()


if __name__ == "__main__":
    main()

"""Images per second against batch size, for every model and each of its files: `python -m tests.load.gpu_batches`.

onnxruntime alone, without server or batcher: on the GPU where the CUDA provider is there, else on the CPU, and the
table says which. It tells up to which batch a model gains, hence what `max_batch_size` and the queue delay are worth.
"""

from __future__ import annotations

import argparse
import platform
import statistics
import time
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from rich.console import Console

from services.inference.backend import ModelSpec
from services.inference.repository import read_repository

ROOT = Path(__file__).resolve().parents[2]
SIZES = (1, 2, 4, 8, 16, 32, 64, 128)


def per_second(session: Any, spec: ModelSpec, rows: int, seconds: float) -> float:
    """Rows per second in batches of `rows`; the median of the runs that fit into `seconds`, at least three."""
    random = np.random.default_rng(0)
    inputs = {
        one.name: random.integers(0, 255, (rows, *one.dims)).astype(one.dtype)
        if one.dtype == np.uint8
        else random.uniform(-1, 1, (rows, *one.dims)).astype(one.dtype)
        for one in spec.inputs
    }
    for _ in range(2):  # a GPU chooses its algorithms on the first runs
        session.run(None, inputs)
    took: list[float] = []
    while len(took) < 3 or sum(took) < seconds:
        started = time.perf_counter()
        session.run(None, inputs)
        took.append(time.perf_counter() - started)
    return rows / statistics.median(took)


def main() -> None:
    parser = argparse.ArgumentParser(description="Images per second against batch size.")
    parser.add_argument("--repository", type=Path, default=ROOT / "model_repository")
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES)
    parser.add_argument("--seconds", type=float, default=1.0, help="for each cell")
    options = parser.parse_args()
    gpu = "CUDAExecutionProvider" in onnxruntime.get_available_providers()
    providers = ["CUDAExecutionProvider", "CPUExecutionProvider"] if gpu else ["CPUExecutionProvider"]
    where = "CUDA" if gpu else f"no GPU: CPU ({platform.machine()})"
    lines = [
        f"onnxruntime {onnxruntime.__version__}, {where}, rows per second:",
        "",
        f"| model | file | {' | '.join(map(str, options.sizes))} |",
        "|---" * (2 + len(options.sizes)) + "|",
    ]
    for spec in read_repository(options.repository).values():
        for path in sorted(spec.path.parent.glob("*.onnx")):
            session = onnxruntime.InferenceSession(path, providers=providers)
            if gpu and session.get_providers()[0] != providers[0]:
                raise SystemExit(f"{spec.name}: the CUDA provider is installed but did not start")
            cells = [f"{per_second(session, spec, rows, options.seconds):.0f}" for rows in options.sizes]
            lines.append(f"| {spec.name} | {path.name} | {' | '.join(cells)} |")
    Console().print("\n".join(lines), markup=False, soft_wrap=True)


if __name__ == "__main__":
    main()

"""Images per second of an exported file, for a person who chooses between its forms on this machine."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import onnxruntime


def images_per_s(path: Path, batch: int, threads: int = 1, seconds: float = 3.0) -> float:
    """Throughput of an ONNX file on the CPU, on noise (uint8) and random numbers in [-1, 1], after a warm-up."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    random, rows = np.random.default_rng(0), {}
    for wanted in session.get_inputs():
        shape = (batch, *wanted.shape[1:])
        noise = random.integers(0, 256, shape, np.uint8)
        rows[wanted.name] = noise if "uint8" in wanted.type else random.uniform(-1, 1, shape).astype(np.float32)
    for _ in range(3):
        session.run(None, rows)
    started, done = time.perf_counter(), 0
    while time.perf_counter() - started < seconds:
        session.run(None, rows)
        done += batch
    return done / (time.perf_counter() - started)

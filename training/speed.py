"""Images per second of an exported file, for a person who chooses between its forms on this machine."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import onnxruntime


def images_per_s(path: Path, batch: int, threads: int = 1, seconds: float = 3.0) -> float:
    """Throughput of an ONNX file on the CPU with one uint8 input, on noise, after a warm-up."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    wanted = session.get_inputs()[0]
    rows = np.random.default_rng(0).integers(0, 256, (batch, *wanted.shape[1:]), np.uint8)
    for _ in range(3):
        session.run(None, {wanted.name: rows})
    started, done = time.perf_counter(), 0
    while time.perf_counter() - started < seconds:
        session.run(None, {wanted.name: rows})
        done += batch
    return done / (time.perf_counter() - started)

"""What system shared memory would save between the services and a Triton on one machine.

    python -m tests.load.shared_memory

The same rows are sent in turns inside the gRPC message and through a registered region (written anew for each request,
as a service would have to). Printed are medians of the round trip; the difference is what the backend could gain.
"""

from __future__ import annotations

import argparse
import statistics
import time
from pathlib import Path

import numpy as np
from rich.console import Console
from tritonclient import grpc as triton
from tritonclient.utils import shared_memory

from services.inference.backend import ModelSpec
from services.inference.repository import read_repository
from tests import triton_server

ROOT = Path(__file__).resolve().parents[2]
CASES = (("expression_classifier", 1), ("expression_classifier", 32), ("face_detector", 1), ("face_detector", 16))
REGION = "mien_rows"


def measure(client: triton.InferenceServerClient, spec: ModelSpec, rows: int, requests: int) -> tuple[float, float]:
    """Median seconds of a request: within the message, through shared memory."""
    (tensor,) = spec.inputs
    array = np.random.default_rng(0).integers(0, 255, (rows, *tensor.dims)).astype(tensor.dtype)
    within, through = triton.InferInput(tensor.name, array.shape, "UINT8"), None
    region = shared_memory.create_shared_memory_region(REGION, f"/{REGION}", array.nbytes)
    try:
        client.register_system_shared_memory(REGION, f"/{REGION}", array.nbytes)
        through = triton.InferInput(tensor.name, array.shape, "UINT8")
        through.set_shared_memory(REGION, array.nbytes)
        took: dict[str, list[float]] = {"within": [], "through": []}
        for _ in range(requests):
            started = time.perf_counter()
            within.set_data_from_numpy(array)
            client.infer(spec.name, [within])
            took["within"].append(time.perf_counter() - started)
            started = time.perf_counter()
            shared_memory.set_shared_memory_region(region, [array])
            client.infer(spec.name, [through])
            took["through"].append(time.perf_counter() - started)
        client.unregister_system_shared_memory(REGION)
    finally:
        shared_memory.destroy_shared_memory_region(region)
    return statistics.median(took["within"]), statistics.median(took["through"])


def main() -> None:
    parser = argparse.ArgumentParser(description="Shared memory beside gRPC messages.")
    parser.add_argument("--requests", type=int, default=50)
    options = parser.parse_args()
    repository = ROOT / "model_repository"
    specs = read_repository(repository)
    lines = ["| model | rows | in the message | shared memory | saved |", "|---|---|---|---|---|"]
    with triton_server.running(repository) as server:
        client = triton.InferenceServerClient(server.address)
        for name, rows in CASES:
            within, through = measure(client, specs[name], rows, options.requests)
            cells = f"{within * 1000:.1f} ms | {through * 1000:.1f} ms | {100 * (1 - through / within):.0f} %"
            lines.append(f"| {name} | {rows} | {cells} |")
        client.close()
    Console().print("\n".join(lines), markup=False, soft_wrap=True)


if __name__ == "__main__":
    main()

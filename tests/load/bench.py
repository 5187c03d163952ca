"""What serving costs over the bare pipeline: `make bench`.

The bare pipeline decodes, detects, cuts and classifies in this process, without server, sockets or batcher, in the
best of two thread settings. The gateway is the real `mien serve all` in a process of its own, asked by callers in
another. The two take turns, so that a machine that slows down slows both; ratios are medians over
the rounds. The photo is drawn: 640 x 480 pixels with one face.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import re
import statistics
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import onnxruntime
from PIL import Image
from rich.console import Console

from services.detection.cascade import CascadeFinder
from services.domain import FACE_PX
from services.images import ImageLimits, cut, decode
from tests.conftest import encoded
from tests.services.detection.faces import drawn_face
from tests.stack import running

ROOT = Path(__file__).resolve().parents[2]
SAY = Console(stderr=True, highlight=False)


class BarePipeline:
    """Decode, detect, cut, classify in `threads` threads, a finder for each; `intra` threads inside the model."""

    def __init__(self, model: Path, threads: int, intra: int) -> None:
        self.threads, self.intra = threads, intra
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = intra
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        self._session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
        cv2.setNumThreads(1)  # as the service does: OpenCV's own threads would fight with these
        self._finders = [CascadeFinder() for _ in range(threads)]

    def answer(self, photo: bytes, finder: CascadeFinder) -> float:
        """Seconds for one photo."""
        started = time.perf_counter()
        image = decode(photo, ImageLimits())
        crops = np.stack([cut(image, finder.frame(face), FACE_PX) for face in finder.find(image)])
        self._session.run(None, {"faces": crops})
        return time.perf_counter() - started

    def run(self, photo: bytes, requests: int) -> tuple[float, list[float]]:
        """(seconds in all, seconds of each)."""
        shares = [requests // self.threads + (k < requests % self.threads) for k in range(self.threads)]
        started = time.perf_counter()
        with ThreadPoolExecutor(self.threads) as pool:
            parts = pool.map(
                lambda pair: [self.answer(photo, pair[0]) for _ in range(pair[1])],
                zip(self._finders, shares, strict=True),
            )
            latencies = [second for part in parts for second in part]
        return time.perf_counter() - started, latencies


@dataclass(frozen=True, slots=True)
class Result:
    """Images per second and seconds; medians over the rounds, with the ratio's extremes."""

    bare_per_s: float
    gateway_per_s: float
    ratio: float
    ratio_low: float
    ratio_high: float
    p50_s: float
    p99_s: float
    bare_alone_s: float
    gateway_alone_s: float
    apart_alone_s: float
    threads: int
    intra: int


def ask(url: str, photo: Path, callers: int, requests: int) -> tuple[float, list[float]]:
    """The callers' process."""
    command = [sys.executable, "-m", "tests.load.callers", url, str(photo)]
    command += ["--callers", str(callers), "--requests", str(requests)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT)
    measured = json.loads(done.stdout)
    return measured["seconds"], measured["latencies"]


def measure(model: Path, rounds: int, requests: int) -> Result:
    """Bare pipeline and gateway in turn, 8 callers; then one caller each, together and in three processes."""
    canvas = Image.linear_gradient("L").resize((640, 480)).convert("RGB")
    canvas.paste(Image.fromarray(drawn_face(240)), (200, 120))
    data = encoded(canvas)
    with ExitStack() as stack:
        photo = Path(stack.enter_context(tempfile.TemporaryDirectory())) / "photo.jpg"
        photo.write_bytes(data)
        together = stack.enter_context(running("all"))
        url = together.url() + "/v1/classify"
        ask(url, photo, 8, 40)
        settings = [BarePipeline(model, 2, 1), BarePipeline(model, 1, 2)]
        bare = min(settings, key=lambda one: one.run(data, requests // 2)[0])
        SAY.print(f"bare pipeline: {bare.threads} threads x {bare.intra} in the model")
        ratios, bares, gateways, latencies = [], [], [], []
        for number in range(rounds):
            alone, _ = bare.run(data, requests)
            served, seconds = ask(url, photo, 8, requests)
            bares.append(requests / alone)
            gateways.append(requests / served)
            ratios.append(alone / served)
            latencies += seconds
            SAY.print(
                f"round {number + 1}: bare {bares[-1]:.1f}/s  gateway {gateways[-1]:.1f}/s  ratio {ratios[-1]:.3f}"
            )

        detection = stack.enter_context(running("detection"))
        classification = stack.enter_context(running("classification"))
        addresses = {
            "detection_address": detection.address("detection"),
            "classification_address": classification.address("classification"),
        }
        apart = stack.enter_context(running("gateway", **addresses))
        single = BarePipeline(model, 1, 1)
        alone_s, together_s, apart_s = [], [], []
        for _ in range(rounds):
            alone_s += single.run(data, 40)[1]
            together_s += ask(url, photo, 1, 40)[1]
            apart_s += ask(apart.url() + "/v1/classify", photo, 1, 40)[1]
    return Result(
        statistics.median(bares),
        statistics.median(gateways),
        statistics.median(ratios),
        min(ratios),
        max(ratios),
        statistics.median(latencies),
        float(np.percentile(latencies, 99)),
        statistics.median(alone_s),
        statistics.median(together_s),
        statistics.median(apart_s),
        bare.threads,
        bare.intra,
    )


def table(result: Result) -> str:
    """The README's lines."""
    hop_s = (result.apart_alone_s - result.gateway_alone_s) / 2
    latency = f"p50 {_ms(result.p50_s)}, p99 {_ms(result.p99_s)}"
    bare = f"bare pipeline in one process ({result.threads} threads, {result.intra} in the model)"
    spread = f"rounds {result.ratio_low:.2f}–{result.ratio_high:.2f}"
    rows = [
        ("gateway, 8 callers", f"{result.gateway_per_s:.1f} images/s, {latency}"),
        (bare, f"{result.bare_per_s:.1f} images/s"),
        ("gateway ÷ bare pipeline", f"**{result.ratio:.2f}** ({spread})"),
        ("one caller: bare pipeline, 1 thread", f"p50 {_ms(result.bare_alone_s)}"),
        ("one caller: gateway, all in one process", f"p50 {_ms(result.gateway_alone_s)}"),
        ("one caller: gateway, three processes", f"p50 {_ms(result.apart_alone_s)}: {_ms(hop_s)} for each gRPC hop"),
    ]
    head = (
        f"On {os.cpu_count()} CPU cores ({platform.machine()}), a 640 x 480 photo, one face, callers on the same cores:"
    )
    return "\n".join([head, "", "| | |", "|---|---|", *(f"| {name} | {value} |" for name, value in rows)])


def _ms(seconds: float) -> str:
    return f"{seconds * 1000:.1f} ms"


def main() -> None:
    parser = argparse.ArgumentParser(description="The gateway against the bare pipeline.")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--requests", type=int, default=80, help="for each side and round")
    parser.add_argument("--write", type=Path, help="put the result between this file's bench markers")
    options = parser.parse_args()
    models = sorted(
        (ROOT / "model_repository/expression_classifier").glob("*/model.onnx"), key=lambda p: int(p.parent.name)
    )
    if not models:
        sys.exit("no expression_classifier in model_repository/: mien train and mien export first")
    text = table(measure(models[-1], options.rounds, options.requests))
    if options.write:
        readme = options.write.read_text()
        marked = re.sub(
            r"(<!-- bench -->\n).*?(<!-- /bench -->)", lambda m: f"{m[1]}{text}\n{m[2]}", readme, flags=re.DOTALL
        )
        options.write.write_text(marked)
    Console().print(text, markup=False, soft_wrap=True)


if __name__ == "__main__":
    main()

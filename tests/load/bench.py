"""What serving costs over the bare pipeline: `make bench`.

The bare pipeline is the gateway's own code in this process, without server, sockets or batcher, in the best of two
thread settings. The gateway is the real `mien serve all` in a process of its own, asked by callers in
another. The two take turns, so that a machine that slows down slows both; ratios are medians over
the rounds. The photo is a rendered statue: 640 x 480 pixels with one face. Where the model repository has a generator,
an expression is put on that face too: by one caller and by 16; the batches that the server formed are read from its
metrics.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import platform
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import grpc
import httpx
import numpy as np
import onnxruntime
from numpy.typing import NDArray
from PIL import Image
from rich.console import Console

from services.chassis.threads import Threads
from services.classification.classifier import ExpressionClassifier
from services.detection.cascade import CascadeFinder
from services.detection.detector import FaceDetector
from services.detection.finders import FinderSearch
from services.detection.landmarker import FaceLandmarker
from services.detection.network import NetworkSearch
from services.domain import Target
from services.gateway.pipeline import Pipeline
from services.generation.rpc import RemoteGenerator
from services.images import ImageLimits
from services.inference.backend import Backend, Inference, ModelSpec, Tensors
from services.inference.repository import read_repository
from services.metrics import Metrics
from tests.conftest import encoded, statue
from tests.stack import Stack, running

GENERATOR = "expression_generator"
ROOT = Path(__file__).resolve().parents[2]
SAY = Console(stderr=True, highlight=False)


class Sessions:
    """A backend without batcher, queue or threads of its own: the caller waits while its rows are run."""

    def __init__(self, repository: Path, intra: int) -> None:
        self._specs = read_repository(repository)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = intra
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        self._sessions = {
            name: onnxruntime.InferenceSession(spec.path, options, providers=["CPUExecutionProvider"])
            for name, spec in self._specs.items()
        }

    def specs(self) -> Mapping[str, ModelSpec]:
        return self._specs

    async def infer(self, model: str, inputs: Tensors, *, deadline_s: float | None = None) -> Inference:
        names = [tensor.name for tensor in self._specs[model].outputs]
        outputs = self._sessions[model].run(names, dict(inputs))
        return Inference(dict(zip(names, outputs, strict=True)), 0.0, 0.0, self._specs[model].version)


class BarePipeline:
    """Decode, detect, align, classify in `threads` threads; `intra` threads inside a model. No server, no batcher."""

    def __init__(self, repository: Path, threads: int, intra: int) -> None:
        self.threads, self.intra = threads, intra
        self._backend = Sessions(repository, intra)

    async def _answers(self, photo: bytes, requests: int) -> list[float]:
        """Seconds of each of `requests` photos, one after the other."""
        threads = Threads(1)
        backend = cast(Backend, self._backend)
        roles = self._backend.specs()
        found = "face_detector" in roles  # as the gateway does by default
        landmarker = FaceLandmarker(backend, threads) if "face_landmarker" in roles else None
        second_look = landmarker is not None
        search = NetworkSearch(backend, threads, second_look) if found else FinderSearch(CascadeFinder, threads)
        detector = FaceDetector(search, threads, ImageLimits(), landmarker)
        pipeline = Pipeline(detector, ExpressionClassifier(backend), Metrics("bench"))
        seconds = []
        for _ in range(requests):
            started = time.perf_counter()
            reading = await pipeline.classify(photo)
            assert reading.faces, "the photo's face was not found"
            seconds.append(time.perf_counter() - started)
        detector.close()
        return seconds

    def run(self, photo: bytes, requests: int) -> tuple[float, list[float]]:
        """(seconds in all, seconds of each)."""
        shares = [requests // self.threads + (k < requests % self.threads) for k in range(self.threads)]
        started = time.perf_counter()
        with ThreadPoolExecutor(self.threads) as pool:
            parts = pool.map(lambda share: asyncio.run(self._answers(photo, share)), shares)
            latencies = [second for part in parts for second in part]
        return time.perf_counter() - started, latencies


@dataclass(frozen=True, slots=True)
class Generation:
    """`model_s`: the generator alone, one face, both cores. `executions`, `faces`: of the generator while 16 called the
    gateway; `direct_*`: the same while 16 called the generation service itself, with faces that were cut out before."""

    model_s: float
    alone_s: float
    per_s: float
    p50_s: float
    p99_s: float
    executions: int
    faces: int
    direct_per_s: float
    direct_executions: int
    direct_faces: int


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
    generation: Generation | None


def ask(url: str, photo: Path, callers: int, requests: int) -> tuple[float, list[float]]:
    """The callers' process."""
    command = [sys.executable, "-m", "tests.load.callers", url, str(photo)]
    command += ["--callers", str(callers), "--requests", str(requests)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT)
    measured = json.loads(done.stdout)
    return measured["seconds"], measured["latencies"]


def measure(repository: Path, rounds: int, requests: int) -> Result:
    """Bare pipeline and gateway in turn, 8 callers; then one caller each, together and in three processes."""
    canvas = Image.linear_gradient("L").resize((640, 480)).convert("RGB")
    canvas.paste(statue(0).resize((400, 400)), (120, 40))
    data = encoded(canvas)
    with ExitStack() as stack:
        photo = Path(stack.enter_context(tempfile.TemporaryDirectory())) / "photo.jpg"
        photo.write_bytes(data)
        together = stack.enter_context(running("all"))
        url = together.url() + "/v1/classify"
        ask(url, photo, 8, 40)
        settings = [BarePipeline(repository, 2, 1), BarePipeline(repository, 1, 2)]
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

        generation = None
        if GENERATOR in read_repository(repository):
            generation = measure_generation(repository, together, photo, rounds, requests)
        detection = stack.enter_context(running("detection"))
        classification = stack.enter_context(running("classification"))
        addresses = {
            "detection_address": detection.address("detection"),
            "classification_address": classification.address("classification"),
        }
        apart = stack.enter_context(running("gateway", **addresses))
        single = BarePipeline(repository, 1, 1)
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
        generation,
    )


def measure_generation(repository: Path, server: Stack, photo: Path, rounds: int, requests: int) -> Generation:
    """The generator alone, then one caller of `/v1/generate`, then 16."""
    sessions = Sessions(repository, os.cpu_count() or 1)
    row = {"faces": np.full((1, 128, 128, 3), 128, np.uint8), "change": np.full((1, 17), 0.1, np.float32)}
    url = server.url() + "/v1/generate?expression=happiness"
    ask(url, photo, 16, 16)
    model_s, alone_s, pers, directs, latencies = [], [], [], [], []
    formed_by_gateway, formed_directly = np.zeros(2, int), np.zeros(2, int)
    for number in range(rounds):
        for _ in range(20):
            started = time.perf_counter()
            asyncio.run(sessions.infer(GENERATOR, row))
            model_s.append(time.perf_counter() - started)
        alone_s += ask(url, photo, 1, 20)[1]
        before = batches(server)
        seconds, each = ask(url, photo, 16, requests)
        after = batches(server)
        direct_s = asyncio.run(generate_directly(server.address("generation"), 16, requests))
        formed_by_gateway += after - before
        formed_directly += batches(server) - after
        pers.append(requests / seconds)
        directs.append(requests / direct_s)
        latencies += each
        SAY.print(f"round {number + 1}: generation {pers[-1]:.1f}/s, faces alone {directs[-1]:.1f}/s")
    return Generation(
        statistics.median(model_s),
        statistics.median(alone_s),
        statistics.median(pers),
        statistics.median(latencies),
        float(np.percentile(latencies, 99)),
        *map(int, formed_by_gateway),
        statistics.median(directs),
        *map(int, formed_directly),
    )


async def generate_directly(address: str, callers: int, requests: int) -> float:
    """Seconds for so many calls with one face each."""
    face = np.full((1, 128, 128, 3), 128, np.uint8)
    present = np.zeros((1, 17), np.float32)
    left = iter(range(requests))
    async with grpc.aio.insecure_channel(address) as channel:
        generator = RemoteGenerator(channel)

        async def call() -> None:
            for _ in left:
                await generator.generate(face, present, Target("happiness"))

        started = time.perf_counter()
        await asyncio.gather(*(call() for _ in range(callers)))
        return time.perf_counter() - started


def batches(server: Stack) -> NDArray[np.int_]:
    """The generator's batches so far and the faces in them, as Prometheus would read them."""
    text = httpx.get(server.url() + "/metrics").raise_for_status().text
    pattern = rf'^mien_batch_rows_{{}}{{{{model="{GENERATOR}"}}}} (\S+)'
    found = [re.search(pattern.format(part), text, re.M) for part in ("count", "sum")]
    return np.array([int(float(match[1])) if match else 0 for match in found])


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
    if result.generation is not None:
        made = result.generation
        rows += [
            ("generator alone, one face", f"p50 {_ms(made.model_s)}"),
            ("one caller of `/v1/generate`", f"p50 {_ms(made.alone_s)}"),
            (
                "16 callers of `/v1/generate`",
                f"{made.per_s:.1f} images/s, p50 {_ms(made.p50_s)}, p99 {_ms(made.p99_s)}; {made.faces} faces in "
                f"{made.executions} executions of the generator",
            ),
            (
                "16 callers of the generation service, faces cut out before",
                f"{made.direct_per_s:.1f} faces/s; {made.direct_faces} faces in {made.direct_executions} executions",
            ),
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
    repository = ROOT / "model_repository"
    text = table(measure(repository, options.rounds, options.requests))
    if options.write:
        readme = options.write.read_text()
        marked = re.sub(
            r"(<!-- bench -->\n).*?(<!-- /bench -->)", lambda m: f"{m[1]}{text}\n{m[2]}", readme, flags=re.DOTALL
        )
        options.write.write_text(marked)
    Console().print(text, markup=False, soft_wrap=True)


if __name__ == "__main__":
    main()

"""What serving costs over the bare pipeline: `make bench`.

The bare pipeline is the gateway's own code in this process, without server, sockets or batcher, in the best of two
thread settings. The gateway is the real `mien serve all` in a process of its own, asked by callers in
another. The two take turns, so that a machine that slows down slows both; ratios are medians over
the rounds. In each round the gateway also answers with `explain=true`. The photo is a rendered statue: 640 x 480
pixels with one face. Where the model repository has a generator, an expression is put on that face too: by one
caller and by 16; the batches that the server formed are read from its metrics.
"""

from __future__ import annotations

import argparse
import os
import platform
import statistics
import tempfile
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image
from rich.console import Console

from services.inference.repository import read_repository
from tests.conftest import encoded, statue
from tests.load import generation as generation_bench
from tests.load import page
from tests.load.bare import BarePipeline, best
from tests.load.callers import ask
from tests.stack import running

ROOT = Path(__file__).resolve().parents[2]
SAY = Console(stderr=True, highlight=False)


@dataclass(frozen=True, slots=True)
class Result:
    """Images/s and seconds; medians over the rounds, with the ratio's extremes. `explaining`: with ÷ without."""

    bare_per_s: float
    gateway_per_s: float
    ratio: float
    ratio_low: float
    ratio_high: float
    explaining: float
    p50_s: float
    p99_s: float
    bare_alone_s: float
    gateway_alone_s: float
    apart_alone_s: float
    threads: int
    intra: int
    generation: generation_bench.Generation | None


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
        bare = best(repository, [data] * (requests // 2))
        SAY.print(f"bare pipeline: {bare.threads} threads x {bare.intra} in the model")
        ratios, bares, gateways, explaining, latencies = [], [], [], [], []
        for number in range(rounds):
            alone, _ = bare.run([data] * requests)
            served, seconds = ask(url, photo, 8, requests)
            explained, _ = ask(f"{url}?explain=true", photo, 8, requests)
            explaining.append(served / explained)
            bares.append(requests / alone)
            gateways.append(requests / served)
            ratios.append(alone / served)
            latencies += seconds
            SAY.print(
                f"round {number + 1}: bare {bares[-1]:.1f}/s  gateway {gateways[-1]:.1f}/s  ratio {ratios[-1]:.3f}"
            )

        generation = None
        if generation_bench.GENERATOR in read_repository(repository):
            generation = generation_bench.measure(repository, together, photo, rounds, requests, SAY.print)
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
            alone_s += single.run([data] * 40)[1]
            together_s += ask(url, photo, 1, 40)[1]
            apart_s += ask(apart.url() + "/v1/classify", photo, 1, 40)[1]
    return Result(
        statistics.median(bares),
        statistics.median(gateways),
        statistics.median(ratios),
        min(ratios),
        max(ratios),
        statistics.median(explaining),
        statistics.median(latencies),
        float(np.percentile(latencies, 99)),
        statistics.median(alone_s),
        statistics.median(together_s),
        statistics.median(apart_s),
        bare.threads,
        bare.intra,
        generation,
    )


def table(result: Result) -> str:
    """The README's lines."""
    hop_s = (result.apart_alone_s - result.gateway_alone_s) / 2
    latency = f"p50 {_ms(result.p50_s)}, p99 {_ms(result.p99_s)}"
    bare = f"bare pipeline in one process ({result.threads} threads, {result.intra} in the model)"
    spread = f"rounds {result.ratio_low:.2f}–{result.ratio_high:.2f}"
    rows = [
        ("gateway, 8 callers", f"{result.gateway_per_s:.1f} images/s, {latency}"),
        (
            "the same with `explain=true`",
            f"{result.gateway_per_s * result.explaining:.1f} images/s: {result.explaining:.2f} of it",
        ),
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
    page.publish(text, "bench", options.write)


if __name__ == "__main__":
    main()

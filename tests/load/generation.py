"""What putting an expression on a face costs, and whether the generator's batches form; a part of `bench.py`."""

from __future__ import annotations

import asyncio
import os
import re
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import grpc
import httpx
import numpy as np
from numpy.typing import NDArray

from services.chassis.links import Link
from services.domain import Target
from services.generation.rpc import RemoteGenerator
from services.metrics import Metrics
from tests.load.bare import Sessions
from tests.load.callers import ask
from tests.stack import Stack

GENERATOR = "expression_generator"


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


def measure(
    repository: Path, server: Stack, photo: Path, rounds: int, requests: int, say: Callable[[str], None]
) -> Generation:
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
        direct_s = asyncio.run(directly(server.address("generation"), 16, requests))
        formed_by_gateway += after - before
        formed_directly += batches(server) - after
        pers.append(requests / seconds)
        directs.append(requests / direct_s)
        latencies += each
        say(f"round {number + 1}: generation {pers[-1]:.1f}/s, faces alone {directs[-1]:.1f}/s")
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


async def directly(address: str, callers: int, requests: int) -> float:
    """Seconds for so many calls with one face each."""
    face = np.full((1, 128, 128, 3), 128, np.uint8)
    present = np.zeros((1, 17), np.float32)
    left = iter(range(requests))
    async with grpc.aio.insecure_channel(address) as channel:
        generator = RemoteGenerator(channel, Link("generation", Metrics("load")))

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

"""Callers of the gateway's gRPC `Classify` in a process of their own, closed or open loop; prints JSON.

    python -m tests.load.arrivals 127.0.0.1:50051 --seconds 10 --callers 8      # each asks again when it is answered
    python -m tests.load.arrivals 127.0.0.1:50051 --seconds 10 --per-s 120      # Poisson arrivals, whoever is answered

Lean on purpose: the requests are bytes made before, the answers stay bytes, and the calls share few connections, for
the callers' work takes from the server's on a small machine.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import json
import random
import subprocess
import sys
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path

import grpc

from mien.v1 import mien_pb2 as pb

ROOT = Path(__file__).resolve().parents[2]
PICTURES = sorted((ROOT / "tests" / "pictures").glob("*.jpg"))
_CHANNELS, _SEED, _LATE_S = 4, 8, 1.0


@dataclass(slots=True)
class Met:
    """What became of the calls.

    Attributes:
        codes: how many, by gRPC code.
        seconds: of each call, by gRPC code.
        advised: refusals that said when to try again.
        lasted_s: from the first call to the last answer.
        asked_s: from the first call to the last.
        cpu_s: what the callers themselves took.
    """

    codes: dict[str, int] = field(default_factory=dict)
    seconds: dict[str, list[float]] = field(default_factory=dict)
    advised: int = 0
    lasted_s: float = 0.0
    asked_s: float = 0.0
    cpu_s: float = 0.0


async def _drive(address: str, seconds: float, deadline_s: float, callers: int, per_s: float) -> Met:
    met, chance = Met(), random.Random(_SEED)
    requests = itertools.cycle(
        pb.GatewayClassifyRequest(image=path.read_bytes()).SerializeToString() for path in PICTURES
    )
    options = [("grpc.use_local_subchannel_pool", 1)]
    channels = [grpc.aio.insecure_channel(address, options=options) for _ in range(_CHANNELS)]
    methods = itertools.cycle(channel.unary_unary("/mien.v1.Gateway/Classify") for channel in channels)

    async def ask() -> None:
        begun = time.perf_counter()
        try:
            await next(methods)(next(requests), timeout=deadline_s)
            code = "OK"
        except grpc.aio.AioRpcError as failure:
            code = failure.code().name
            details = dict(failure.trailing_metadata() or ()).get("grpc-status-details-bin", b"")
            met.advised += b"RetryInfo" in bytes(details)
        met.codes[code] = met.codes.get(code, 0) + 1
        met.seconds.setdefault(code, []).append(round(time.perf_counter() - begun, 5))

    async def again() -> None:
        while time.perf_counter() < until:
            await ask()

    await asyncio.gather(*(channel.channel_ready() for channel in channels))
    started, cpu = time.perf_counter(), time.process_time()
    until = started + seconds
    if callers:
        await asyncio.gather(*(again() for _ in range(callers)))
        met.asked_s = seconds
    else:
        due, calls = started, set()
        while (due := due + chance.expovariate(per_s)) < until:
            await asyncio.sleep(due - time.perf_counter())
            task = asyncio.create_task(ask())
            calls.add(task)
            task.add_done_callback(calls.discard)
        met.asked_s = time.perf_counter() - started
        if met.asked_s > seconds + _LATE_S:
            raise RuntimeError("the callers could not ask so often: this machine is too busy for an open loop")
        await asyncio.gather(*calls)
    met.lasted_s, met.cpu_s = time.perf_counter() - started, time.process_time() - cpu
    for channel in channels:
        await channel.close()
    return met


def ask(address: str, seconds: float, deadline_s: float, *, callers: int = 0, per_s: float = 0.0) -> Met:
    """Drive it from a process of their own: `callers` in a closed loop, or `per_s` in an open one.

    Raises:
        RuntimeError: the process failed; its last line says why.
    """
    command = [sys.executable, "-m", "tests.load.arrivals", address, f"--seconds={seconds}"]
    command += [f"--deadline-s={deadline_s}", f"--callers={callers}", f"--per-s={per_s}"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
    if done.returncode:
        raise RuntimeError(done.stderr.strip().splitlines()[-1])
    return Met(**json.loads(done.stdout))


def main() -> None:
    parser = argparse.ArgumentParser(description="Call the gateway, closed or open loop.")
    parser.add_argument("address")
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--deadline-s", type=float, default=2.0)

    parser.add_argument("--callers", type=int, default=0)
    parser.add_argument("--per-s", type=float, default=0.0)
    options = parser.parse_args()
    met = asyncio.run(_drive(options.address, options.seconds, options.deadline_s, options.callers, options.per_s))
    json.dump(asdict(met), sys.stdout)


if __name__ == "__main__":
    main()

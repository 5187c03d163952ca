"""The whole deployment on this machine without containers: `make cluster`.

Four services as processes of their own, as in four containers; with `--triton` NVIDIA's server behind them, with
`--prometheus` a Prometheus that scrapes them all. It waits until each is ready, shows their logs behind their names,
and on Ctrl-C ends them in drain order: the gateway first, so that nobody is asked who has gone. If one dies, all end.
A second Ctrl-C kills.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
import sys
import tempfile
from asyncio.subprocess import PIPE, STDOUT, Process
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import ValidationError
from rich.console import Console
from rich.text import Text

from deploy import health
from deploy.programs import Program, prometheus, rest_scheme, services, triton
from services.settings import Settings

SAY = Console(highlight=False, soft_wrap=True)
_COLOURS = ("cyan", "green", "magenta", "yellow", "blue", "red")
_STOP_S = 45.0  # the drain, the calls in flight, and a margin
_READY_S = 180.0


@dataclass(slots=True)
class Cluster:
    """The programs that run, wave by wave as they were started."""

    waves: list[list[tuple[Program, Process]]] = field(default_factory=list)
    readers: list[asyncio.Task[None]] = field(default_factory=list)

    async def start(self, waves: list[list[Program]]) -> None:
        """Start each wave when the one before is ready.

        Raises:
            RuntimeError: one ended or was not ready in time; the sentence names it.
        """
        for wave in waves:
            self.waves.append([])
            for program in wave:
                self.waves[-1].append((program, await self._start(program)))
            await asyncio.gather(*(_until_ready(program, process) for program, process in self.waves[-1]))

    async def first_end(self) -> str:
        """The name of the first program that ends by itself."""
        ends = {asyncio.create_task(process.wait()): program.name for program, process in self._running()}
        try:
            done, _ = await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for end in ends:
                end.cancel()
        return ends[done.pop()]

    async def stop(self) -> None:
        """End all, the wave that was started last first; one that does not end in time is killed."""
        for wave in reversed(self.waves):
            await asyncio.gather(*(_stop(program, process) for program, process in wave))
        await asyncio.gather(*self.readers)

    def kill(self) -> None:
        """End all at once."""
        for _, process in self._running():
            if process.returncode is None:
                process.kill()

    def _running(self) -> list[tuple[Program, Process]]:
        return [pair for wave in self.waves for pair in wave]

    async def _start(self, program: Program) -> Process:
        # a session of its own: Ctrl-C is for us alone, and we end them in order
        process = await asyncio.create_subprocess_exec(
            *program.command,
            env={**os.environ, **program.environment},
            stdout=PIPE,
            stderr=STDOUT,
            start_new_session=True,
        )
        colour = _COLOURS[len(self.readers) % len(_COLOURS)]
        self.readers.append(asyncio.create_task(_show(program.name, colour, process)))
        return process


async def _until_ready(program: Program, process: Process) -> None:
    deadline = asyncio.get_running_loop().time() + _READY_S
    while asyncio.get_running_loop().time() < deadline:
        if process.returncode is not None:
            raise RuntimeError(f"{program.name} ended with status {process.returncode}; its log says why")
        if await asyncio.to_thread(health.ready, program.ready_url):
            return
        await asyncio.sleep(0.2)
    raise RuntimeError(f"{program.name} was not ready within {_READY_S:g} s")


async def _stop(program: Program, process: Process) -> None:
    if process.returncode is None:
        process.terminate()
        try:
            await asyncio.wait_for(process.wait(), _STOP_S)
        except TimeoutError:
            process.kill()
            await process.wait()
    SAY.print(f"{program.name} stopped ({process.returncode})")


async def _show(name: str, colour: str, process: Process) -> None:
    assert process.stdout is not None
    while line := await process.stdout.readline():
        SAY.print(Text(f"{name:>14} │ ", colour), Text(line.decode(errors="replace").rstrip()), sep="")


async def run(waves: list[list[Program]], url: str) -> int:
    """Run until SIGTERM, Ctrl-C or the end of one of them; the exit status."""
    cluster, stop = Cluster(), asyncio.Event()

    def ask() -> None:
        if stop.is_set():
            cluster.kill()
        stop.set()

    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, ask)
    asked = asyncio.create_task(stop.wait())
    starting = asyncio.create_task(cluster.start(waves))
    status = 0
    try:
        await asyncio.wait({asked, starting}, return_when=asyncio.FIRST_COMPLETED)
        if starting.done():
            starting.result()
            SAY.print(f"ready: {url}  (Ctrl-C stops all)")
            ended = asyncio.create_task(cluster.first_end())
            await asyncio.wait({asked, ended}, return_when=asyncio.FIRST_COMPLETED)
            if ended.done():
                SAY.print(f"{ended.result()} ended by itself; the others are stopped")
                status = 1
            ended.cancel()
    except RuntimeError as error:
        SAY.print(str(error), style="red")
        status = 1
    starting.cancel()
    await cluster.stop()
    return status


def planned(settings: Settings, folder: Path, *, with_triton: bool, watched: bool) -> list[list[Program]]:
    """What is started, wave by wave.

    Raises:
        OSError: something that was asked for is not here; the sentence says how to get it.
    """
    behind, door = services(settings, with_triton)
    before = [[triton(settings, os.environ)]] if with_triton else []
    after = [[prometheus(settings, folder, os.environ)]] if watched else []
    return [*before, behind, [door], *after]


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m deploy.local", description="The whole deployment, without containers."
    )
    parser.add_argument("--triton", action="store_true", help="with Triton as the backend (make triton installs it)")
    parser.add_argument("--prometheus", action="store_true", help="with Prometheus, if it is installed")
    options = parser.parse_args()
    try:
        settings = Settings()
    except ValidationError as error:
        sys.exit("; ".join(f"MIEN_{'_'.join(map(str, one['loc'])).upper()}: {one['msg']}" for one in error.errors()))
    with tempfile.TemporaryDirectory() as folder:
        try:
            waves = planned(settings, Path(folder), with_triton=options.triton, watched=options.prometheus)
        except OSError as error:
            sys.exit(f"local: {error}")
        sys.exit(asyncio.run(run(waves, f"{rest_scheme(settings)}://{settings.host}:{settings.gateway_rest_port}")))


if __name__ == "__main__":
    main()

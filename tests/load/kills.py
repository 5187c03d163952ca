"""A run that is killed again and again, and asked again each time, against one that nobody disturbed.

    python -m tests.load.kills [--images 400] [--into docs/batch.md]

`kill -9` of the client at 20 places of one run, then of the gateway at 10 places of another; the places are drawn, one
in each stretch of the run. The client is started again with the same command; it outlives the gateway's kills.
"""

from __future__ import annotations

import random
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from mien import results
from mien.batch.journal import Places
from mien.batch.parts import Parts
from tests.load import page, photos
from tests.load.batch import classifying, finished, images_that_differ
from tests.load.watch import answered
from tests.stack import Stack, free_ports, running

CLIENT_KILLS, GATEWAY_KILLS = 20, 10
_PART_IMAGES = 5  # a kill comes more often than a part of the usual size is full
_PART = ("--part", str(_PART_IMAGES))


@dataclass(frozen=True, slots=True)
class Disturbed:
    """How a run went: how many images were in the table or just answered at each kill, and answers given in all; None
    where the counts were killed too."""

    kills: list[int]
    answers: int | None = None


def places(kills: int, images: int, chance: random.Random) -> list[int]:
    """Images after which to kill: one in each of so many equal stretches; what follows the last is left in peace."""
    return [int(images * (stretch + chance.random()) / (kills + 1)) for stretch in range(kills)]


def kept(target: Path) -> int:
    """Images whose answers a kill leaves."""
    return Parts(Places(target).parts, _PART_IMAGES).tally().images


def wait(reached: Callable[[], bool], client: subprocess.Popen[str]) -> None:
    """Until it is so.

    Raises:
        RuntimeError: the client ended before.
    """
    while not reached():
        if client.poll() is not None:
            raise RuntimeError(f"mien classify ended with status {client.returncode} before its kill")
        time.sleep(0.02)


def kill_clients(folder: Path, images: int, target: Path, server: Stack) -> Disturbed:
    """The client, again and again; then the run is finished."""
    chance, kills, begun = random.Random(20), [], answered(server)
    for place in places(CLIENT_KILLS, images, chance):
        before, on_disk = answered(server), kept(target)
        with classifying(folder, target, server.address(), *_PART) as client:
            wait(lambda: on_disk + answered(server) - before >= place, client)  # noqa: B023 - called at once
            time.sleep(chance.uniform(0, 1.0 if on_disk >= place else 0.05))  # the first: while it starts
            if client.poll() is not None:
                raise RuntimeError("mien classify was faster than its kill; ask for more --images")
            client.kill()
            client.wait()
        kills.append(on_disk + answered(server) - before)
        page.say(f"client killed {len(kills)} times, {kept(target)} of {images} images kept")
    with classifying(folder, target, server.address(), *_PART) as client:
        finished(client)
    return Disturbed(kills, answered(server) - begun)


def kill_gateways(folder: Path, images: int, target: Path) -> Disturbed:
    """The gateway, again and again, under one client that stays."""
    chance, kills, port = random.Random(10), [], free_ports(1)[0]
    with classifying(folder, target, f"127.0.0.1:{port}", "--patience", "600", *_PART) as client:
        for place in places(GATEWAY_KILLS, images, chance):
            with running("all", gateway_rpc_port=port, ready_within_s=240) as server:
                on_disk = kept(target)
                wait(lambda: on_disk + answered(server) >= place, client)  # noqa: B023 - called at once
                time.sleep(chance.uniform(0, 0.05))
                kills.append(on_disk + answered(server))
                server.stop(signal.SIGKILL)
            page.say(f"gateway killed {len(kills)} times, {kept(target)} of {images} images kept")
        with running("all", gateway_rpc_port=port, ready_within_s=240):
            finished(client)
    return Disturbed(kills)


def compared(target: Path, undisturbed: Path) -> str:
    if target.read_bytes() == undisturbed.read_bytes():
        return "**the same bytes**"
    differ = images_that_differ(results.read([target]), results.read([undisturbed]))
    return f"**other bytes**, {differ:,} images with other rows"


def measure(images: int, work: Path) -> str:
    """The page's text."""
    folder = work / "archive"
    codes = photos.write(folder, images)
    tables = {name: work / f"{name}.parquet" for name in ("undisturbed", "client", "gateway")}
    with running("all", ready_within_s=240) as server:
        with classifying(folder, tables["undisturbed"], server.address()) as client:
            page.say(finished(client).strip())
        runs = {"client": kill_clients(folder, images, tables["client"], server)}
    runs["gateway"] = kill_gateways(folder, images, tables["gateway"])
    rows = [
        (
            f"{name}, {len(run.kills)} times",
            f"{run.kills[0]:,} – {run.kills[-1]:,}",
            f"{run.answers:,}" if run.answers else "",
            compared(tables[name], tables["undisturbed"]),
        )
        for name, run in runs.items()
    ]
    head = ("`kill -9` of the", "images answered at the first and last", "answers in all", "table, against undisturbed")
    sizes = f"{images:,} files of which {len(codes)} are bad, parts of {_PART_IMAGES} images"
    return f"{page.machine()}; {sizes}:\n\n{page.table(rows, head)}"


def main() -> None:
    options = page.options("Kills of the client and of the gateway.", 400, "files, one in a hundred of them bad")
    with tempfile.TemporaryDirectory() as work:
        page.publish(measure(options.images, Path(work)), "kills", options.into)


if __name__ == "__main__":
    main()

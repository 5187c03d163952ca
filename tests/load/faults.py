"""What callers of a real gateway get, and how soon, when what is behind it is not as it should be.

    python -m tests.load.faults [--into docs/reliability.md]

Detection is stalled (SIGSTOP), slow (everything it says comes 5 s late) and replaced by one that answers nonsense; a
model file is damaged; a disk fills up under `mien classify`. Every caller has a deadline of `_DEADLINE_S`. That no
clock may jump is a test (`tests/services/test_clocks.py`): nothing that waits or measures reads the time of day.
"""

from __future__ import annotations

import argparse
import asyncio
import shutil
import signal
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from services.chassis.breaker import PAUSE_S
from tests.load import full_disk, gates, page
from tests.load.crowd import PICTURE
from tests.load.gates import Gate
from tests.load.replicas import replicas, until
from tests.load.strange import NONSENSE, babbling, delayed
from tests.stack import Stack, running

ROOT = Path(__file__).resolve().parents[2]
_DEADLINE_S, _MARGIN_S, _SOON_S = 2.0, 0.1, 0.25
_MOST_CALLS = 40
_CALLERS, _LATE_S, _BACK_S = 4, 5.0, 5.0
_FAIR = {200, 429, 503, 504}
_BEHIND = ("detection", "classification")


@dataclass(slots=True)
class Fault:
    """One, and what callers met: statuses, seconds of each, and what else was seen."""

    name: str
    statuses: Counter[int]
    seconds: list[float]
    seen: str
    gates: list[Gate]

    def row(self) -> tuple[str, ...]:
        codes = ", ".join(f"{count} x {status}" for status, count in sorted(self.statuses.items()))
        soon = f"{min(self.seconds):.3f}–{max(self.seconds):.3f} s" if self.seconds else ""
        return self.name, codes, soon, self.seen


def ask(gateway: Stack) -> tuple[int, float, str]:
    """One call: its status, its seconds, its body."""
    headers = {"Request-Timeout": str(_DEADLINE_S), "Content-Type": "image/jpeg"}
    with httpx.Client(timeout=60) as client:  # made before the clock starts: it reads every certificate of the machine
        begun = time.perf_counter()
        reply = client.post(gateway.url() + "/v1/classify", content=PICTURE, headers=headers)
        return reply.status_code, time.perf_counter() - begun, reply.text


async def crowd(gateway: Stack, turns: int) -> list[tuple[int, float, str]]:
    """`_CALLERS` at once, so many times."""
    found: list[tuple[int, float, str]] = []
    for _ in range(turns):
        found += await asyncio.gather(*(asyncio.to_thread(ask, gateway) for _ in range(_CALLERS)))
    return found


def met(name: str, answers: list[tuple[int, float, str]], gateway: Stack) -> Fault:
    """The gates that hold for every fault: the deadline, no defect, no text of ours."""
    seconds = [each for _, each, _ in answers]
    statuses = Counter(status for status, _, _ in answers)
    late = max(seconds) - _DEADLINE_S
    log = gateway.log.read_text()
    leaks = sum("Traceback" in text for _, _, text in answers) + ("Traceback" in log)
    kept = [
        Gate(
            f"{name}: every answer within the deadline ± {_MARGIN_S * 1000:.0f} ms", f"{late:+.3f} s", late <= _MARGIN_S
        ),
        Gate(f"{name}: nothing but 200, 429, 503 and 504", str(dict(statuses)), statuses.keys() <= _FAIR),
        Gate(f"{name}: no traceback in an answer or the log", f"{leaks}", leaks == 0),
    ]
    return Fault(name, statuses, seconds, "", kept)


def broken(gateway: Stack) -> bool:
    """Whether the gateway has stopped asking detection."""
    return httpx.get(gateway.url() + "/status.json", timeout=30).json()["links"]["detection"] is False


def stalled() -> Fault:
    """SIGSTOP, until the gateway asks no more; then SIGCONT."""
    with replicas({"detection": 1, "classification": 1, "gateway": 1}) as found:
        gateway, (detection,) = found["gateway"][0].here, found["detection"]
        until(lambda: ask(gateway)[0] == 200, 60.0)
        detection.signal(signal.SIGSTOP)
        first = asyncio.run(crowd(gateway, 1))
        while not (opened := broken(gateway)) and len(first) < _MOST_CALLS:
            first += asyncio.run(crowd(gateway, 1))
        soon = [ask(gateway) for _ in range(3)]  # at most one of them tries whether somebody is there again
        detection.signal(signal.SIGCONT)
        back_s = until(lambda: ask(gateway)[0] == 200, 60.0)
        fault = met("stalled", first + soon, gateway)
    fast = sorted(seconds for _, seconds, _ in soon)
    fault.seen = f"then refused after {fast[0]:.3f} s; back {back_s:.1f} s after it went on"
    fault.gates += [
        Gate("stalled: the breaker opens", str(opened), opened),
        Gate(f"stalled: then refusals within {_SOON_S} s", f"{fast[1]:.3f} s", fast[1] <= _SOON_S),
        Gate(f"stalled: back within {_BACK_S:g} s", f"{back_s:.1f} s", back_s <= _BACK_S),
    ]
    return fault


async def slow() -> Fault:
    """Everything late, then nothing."""
    late_s = 0.0
    with running("detection", ready_within_s=240) as detection, running("classification", ready_within_s=240) as other:
        async with (
            delayed(detection.address("detection"), lambda: late_s) as address,
            before(address, other.address("classification")) as gateway,
        ):
            await _until(lambda: ask(gateway)[0] == 200, 60.0)
            late_s = _LATE_S
            given = await crowd(gateway, 2)
            late_s = 0.0
            back_s = await _until(lambda: ask(gateway)[0] == 200, 60.0)
            fault = met(f"everything {_LATE_S:g} s late", given, gateway)
    fault.seen = f"back {back_s:.1f} s after the last late word"
    return fault


async def nonsense() -> Fault:
    """Every sort of it, then sense would follow; each sort must be a 503."""
    said = ""
    with running("classification", ready_within_s=240) as classification:
        async with (
            babbling(lambda: NONSENSE[said]) as address,
            before(address, classification.address("classification")) as gateway,
        ):
            given = []
            for said in NONSENSE:  # noqa: B007 - the service says it
                given.append(await asyncio.to_thread(ask, gateway))
                await asyncio.sleep(PAUSE_S)  # should it not be asked any more: it is, for each sort
            given += await crowd(gateway, 2)
            fault = met("nonsense", given, gateway)
            opened = await asyncio.to_thread(broken, gateway)
    fault.seen = f"{len(NONSENSE)} sorts of it"
    only = set(fault.statuses) == {503}
    fault.gates += [
        Gate("nonsense: always 503", str(dict(fault.statuses)), only),
        Gate("nonsense: the breaker opens", str(opened), opened),
    ]
    return fault


def corrupt(work: Path) -> Fault:
    """A model file that is cut off: the process must not start, and say why."""
    shutil.copytree(ROOT / "model_repository", work / "repository")
    for path in (work / "repository" / "expression_classifier").glob("*/model.onnx"):
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with running("classification", ready=False, model_repository=work / "repository") as stack:
        status = stack.process.wait(120)
        said = stack.log.read_text().strip().splitlines()[-1]
    fair = status == 2 and "Traceback" not in said and "expression_classifier" in said
    gate = Gate("a damaged model: the process ends with status 2 and names it", f"status {status}", fair)
    return Fault("a damaged model file", Counter(), [], f"ends at its start, status {status}", [gate])


def filled(work: Path) -> Fault:
    with running("all", ready_within_s=240) as stack:
        told, fair = full_disk.measure(stack, work)
    gate = Gate("a full disk: said in a sentence, and gone on with when there is room", told, fair)
    return Fault("a full disk under `mien classify`", Counter(), [], told, [gate])


@asynccontextmanager
async def before(detection: str, classification: str) -> AsyncIterator[Stack]:
    """A gateway that asks these; it starts beside what runs on this event loop."""
    ports = {f"{name}_address": address for name, address in zip(_BEHIND, (detection, classification), strict=True)}
    with running("gateway", ready=False, **ports) as stack:
        await _until(lambda: answers(stack), 240.0)
        yield stack


def answers(gateway: Stack) -> bool:
    """Whether it is there, ready or not: what is behind it may never be."""
    try:
        return httpx.get(gateway.url() + "/livez", timeout=5).status_code == 200
    except httpx.TransportError:
        return False


async def _until(condition: Callable[[], bool], within_s: float) -> float:
    return await asyncio.to_thread(until, condition, within_s)


def measure(work: Path) -> list[Fault]:
    found = []
    steps = (stalled, lambda: asyncio.run(slow()), lambda: asyncio.run(nonsense()))
    for step in (*steps, lambda: corrupt(work), lambda: filled(work)):
        found.append(step())
        page.say(f"{found[-1].name}: {dict(found[-1].statuses)} {found[-1].seen}")
    return found


def text(faults: list[Fault]) -> str:
    """For the page."""
    head = ("fault", "callers got", "after", "and")
    told = f"{page.machine()}; callers of the gateway with a deadline of {_DEADLINE_S:g} s:"
    kept = [gate.row() for fault in faults for gate in fault.gates]
    return f"{told}\n\n{page.table([fault.row() for fault in faults], head)}\n\n{page.table(kept, gates.HEAD)}"


def main() -> None:
    parser = argparse.ArgumentParser(description="Faults behind a gateway.")
    parser.add_argument("--into", type=Path, help="put the result between this page's markers")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as work:
        faults = measure(Path(work))
    page.publish(text(faults), "faults", options.into)
    gates.leave([gate for fault in faults for gate in fault.gates])


if __name__ == "__main__":
    main()

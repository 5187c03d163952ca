"""SIGTERM to every service under callers: what those whose calls had been taken on meet.

    python -m tests.load.drain [--stops 10] [--into docs/reliability.md]

Two processes of each of the four services. 16 callers ask both gateways without a pause: half of them by gRPC, which
goes round those that say SERVING; half by REST, as a balancer would, those whose /readyz says 200. One process after
the other gets SIGTERM and is started again, each service so many times. Who finds nobody at an address has not been
accepted, and is counted apart.
"""

from __future__ import annotations

import argparse
import itertools
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.load import crowd, gates, page
from tests.load.crowd import REFUSED, Crowd
from tests.load.gates import Gate
from tests.load.replicas import Replica, replicas, until

ROLES = ("gateway", "detection", "classification", "generation")
_CALLERS, _DRAIN_S, _GRACE_S = 16, 2.0, 35.0


@dataclass(frozen=True, slots=True)
class Stop:
    """How one process ended: seconds until /readyz said 503, until nobody answered there, and until it had exited."""

    role: str
    unready_s: float
    closed_s: float
    exited_s: float
    status: int


def stop(replica: Replica) -> Stop:
    """SIGTERM, watched."""
    begun, seen = time.monotonic(), dict.fromkeys((503, 0), float("inf"))
    replica.signal(signal.SIGTERM)
    process = replica.here.process
    while process.poll() is None and time.monotonic() - begun < _GRACE_S:
        said = replica.ready()
        if said in seen:
            seen[said] = min(seen[said], time.monotonic() - begun)
        time.sleep(0.02)
    exited_s = time.monotonic() - begun
    status = process.poll()
    return Stop(replica.role, seen[503], min(seen[0], exited_s), exited_s, -1 if status is None else status)


@contextmanager
def balanced(gateways: list[Replica]) -> Iterator[list[str]]:
    """The URLs of those that are ready, as a balancer that looks often would have them."""
    urls, over = [one.url() for one in gateways], threading.Event()

    def look() -> None:
        while not over.wait(0.1):
            urls[:] = [one.url() for one in gateways if one.ready() == 200] or urls

    thread = threading.Thread(target=look)
    thread.start()
    try:
        yield urls
    finally:
        over.set()
        thread.join()


def measure(stops: int) -> tuple[list[Stop], Crowd]:
    """Every stop, and what the callers met."""
    found: list[Stop] = []
    with replicas(dict.fromkeys(ROLES[1:], 2) | {"gateway": 2}, drain_s=_DRAIN_S) as running:
        gateways = running["gateway"]
        turn = itertools.count()
        with balanced(gateways) as urls:

            def next_url() -> str:
                now = list(urls)
                return now[next(turn) % len(now)]

            target = "ipv4:" + ",".join(one.address() for one in gateways)
            askers = [crowd.rest(lambda: f"{next_url()}/v1/classify") for _ in range(_CALLERS // 2)]
            generating = crowd.rest(lambda: f"{next_url()}/v1/generate?expression=happiness")
            askers[-1] = generating
            askers += [crowd.rpc(target) for _ in range(_CALLERS // 2)]
            with crowd.asking(askers) as callers:
                for role in ROLES:
                    for number in range(stops):
                        replica = running[role][number % 2]
                        crowd.answered(callers, _CALLERS)
                        found.append(stop(replica))
                        page.say(f"{role} {number + 1} of {stops}: {found[-1]}, {dict(callers.codes())}")
                        replica.again()
                        until(lambda: all(one.ready() == 200 for one in gateways), 60.0)
    return found, callers


def judged(stops: list[Stop], callers: Crowd) -> list[Gate]:
    failed = callers.failed()
    statuses = sorted({each.status for each in stops})
    first = sum(each.unready_s < each.closed_s for each in stops)
    longest = max(each.exited_s for each in stops)
    return [
        Gate("no accepted call fails", f"{len(failed):,} of {len(callers.outcomes):,}", not failed),
        Gate("/readyz says 503 before the listener closes", f"{first} of {len(stops)}", first == len(stops)),
        Gate("exit status 0", ", ".join(map(str, statuses)), statuses == [0]),
        Gate(f"ends within {_GRACE_S:g} s", f"{longest:.1f} s at most", longest < _GRACE_S),
    ]


def text(stops: list[Stop], callers: Crowd, kept: list[Gate]) -> str:
    """For the page."""
    rows = []
    for role in ROLES:
        of = [each for each in stops if each.role == role]
        ended = [each.exited_s for each in of]
        rows.append(
            (
                f"{role}, {len(of)} x SIGTERM",
                f"{max(each.unready_s for each in of):.2f} s at most",
                f"{min(each.closed_s for each in of):.1f} s at least",
                f"{min(ended):.1f}–{max(ended):.1f} s",
            )
        )
    codes = callers.codes()
    met = ", ".join(f"{count:,} {code}" for code, count in sorted(codes.items()) if code not in REFUSED)
    refused = sum(codes[code] for code in REFUSED)
    told = (
        f"{page.machine()}; two processes of each service, {_CALLERS} callers (half REST, half gRPC; one asks for "
        f"generation), `MIEN_DRAIN_S={_DRAIN_S:g}`. Answers: {met}; {refused:,} were refused or found nobody, "
        "and so had not been accepted."
    )
    head = ("", "/readyz says 503 after", "the listener closes after", "the process ends after")
    return f"{told}\n\n{page.table(rows, head)}\n\n{page.table([gate.row() for gate in kept], gates.HEAD)}"


def main() -> None:
    parser = argparse.ArgumentParser(description="SIGTERM to every service under callers.")
    parser.add_argument("--stops", type=int, default=10, help="of each service (10)")
    parser.add_argument("--into", type=Path, help="put the result between this page's markers")
    options = parser.parse_args()
    stops, callers = measure(options.stops)
    kept = judged(stops, callers)
    page.publish(text(stops, callers, kept), "drain", options.into)
    gates.leave(kept)


if __name__ == "__main__":
    main()

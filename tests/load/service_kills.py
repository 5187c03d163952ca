"""`kill -9` of every service behind the gateway under callers, again and again: what they meet, and for how long.

    python -m tests.load.service_kills [--kills 20] [--into docs/reliability.md]

One process of each of the four services, 16 callers of the gateway by REST; those of generation ask for it. A service
that was killed is started again at once. A call that failed had begun before the kill (it was in flight, and lost), or
while nobody was there (it was refused); one that fails after the service is ready again is counted apart.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import dataclass
from pathlib import Path

from tests.load import crowd, gates, page
from tests.load.crowd import Crowd, Outcome
from tests.load.drain import ROLES
from tests.load.gates import Gate
from tests.load.replicas import Replica, replicas, until

BEHIND = ROLES[1:]
_PATHS = dict.fromkeys(BEHIND, "/v1/classify") | {"generation": "/v1/generate?expression=happiness"}
_CALLERS, _BACK_S, _SETTLE_S = 16, 5.0, 2.0
_KNOWN = ("200", "429", "503", "504")  # what the gateway may say; anything else is a defect


@dataclass(frozen=True, slots=True)
class Kill:
    """One, on the clock of `time.monotonic`.

    Attributes:
        at: when the service was killed; `returned`: when its own /readyz said that it is ready again.
        unready_s: from the kill until the gateway's /readyz said no; None where it need not (generation).
        back_s: from `returned` until the gateway was ready and answered a call that had begun after it.
        in_flight: callers who had a call in flight when it came.
    """

    role: str
    at: float
    returned: float
    unready_s: float | None
    back_s: float
    in_flight: int


def kill(gateway: Replica, service: Replica, callers: Crowd) -> Kill:
    """One kill, and the return."""
    in_flight, at = len(callers.asking), time.monotonic()
    service.kill()
    unready_s = until(lambda: gateway.ready() != 200, 30.0) if service.role != "generation" else None
    service.again()
    returned = time.monotonic()

    def back() -> bool:
        good = any(outcome.good and outcome.begun >= returned for outcome in callers.outcomes[-200:])
        return good and gateway.ready() == 200

    back_s = until(back, 120.0)
    return Kill(service.role, at, returned, unready_s, back_s, in_flight)


def measure(kills: int) -> tuple[list[Kill], dict[str, Crowd], bool]:
    """The kills, what callers met by the service that was killed, and whether the gateway lived through all of them."""
    found: list[Kill] = []
    crowds: dict[str, Crowd] = {}
    with replicas(dict.fromkeys(ROLES, 1)) as running:
        (gateway,) = running["gateway"]
        pid = gateway.here.process.pid
        for role in BEHIND:
            url = gateway.url() + _PATHS[role]
            with crowd.asking([crowd.rest(lambda: url) for _ in range(_CALLERS)]) as callers:  # noqa: B023 - the same
                crowds[role] = callers
                for number in range(kills):
                    crowd.answered(callers, _CALLERS)
                    found.append(kill(gateway, running[role][0], callers))
                    page.say(f"{role} {number + 1} of {kills}: back after {found[-1].back_s:.1f} s, {callers.codes()}")
                time.sleep(_SETTLE_S)
        lived = gateway.here.process.poll() is None and gateway.here.process.pid == pid
    return found, crowds, lived


@dataclass(frozen=True, slots=True)
class Failures:
    """Of one kill: calls lost in flight, calls refused while nobody was there, and others."""

    lost: list[Outcome]
    refused: list[Outcome]
    others: list[Outcome]


def failures(kill: Kill, callers: Crowd, until_s: float) -> Failures:
    """Those that ended between this kill and the next, which was `until_s`."""
    failed = [each for each in callers.outcomes if not each.good and kill.at <= each.ended < until_s]
    ready = kill.returned + kill.back_s
    lost = [each for each in failed if each.begun < kill.at]
    refused = [each for each in failed if kill.at <= each.begun < ready]
    return Failures(lost, refused, [each for each in failed if each.begun >= ready])


def told_apart(kills: list[Kill], crowds: dict[str, Crowd]) -> list[Failures]:
    """By kill."""
    nexts = [*(each.at for each in kills[1:]), float("inf")]
    return [
        failures(each, crowds[each.role], after if after > each.at else float("inf"))
        for each, after in zip(kills, nexts, strict=True)
    ]


def judged(kills: list[Kill], crowds: dict[str, Crowd], lived: bool) -> list[Gate]:
    each = told_apart(kills, crowds)
    beyond = sum(len(one.lost) > kill.in_flight for one, kill in zip(each, kills, strict=True))
    others = sum(len(one.others) for one in each)
    strange = sum(count for callers in crowds.values() for code, count in callers.codes().items() if code not in _KNOWN)
    back_s = max(kill.back_s for kill in kills)
    unready_s = max(kill.unready_s for kill in kills if kill.unready_s is not None)
    return [
        Gate("the gateway never dies", "it lived" if lived else "it died", lived),
        Gate("errors of calls begun before a kill: at most those in flight", f"{beyond} kills with more", beyond == 0),
        Gate("no errors once the service is back", f"{others}", others == 0),
        Gate("nothing but 200, 429, 503 and 504", f"{strange} others", strange == 0),
        Gate("/readyz says no within 2 s", f"{unready_s:.1f} s at most", unready_s <= 2.0),
        Gate(f"ready again within {_BACK_S:g} s of the service's return", f"{back_s:.1f} s at most", back_s <= _BACK_S),
    ]


def text(kills: list[Kill], crowds: dict[str, Crowd], kept: list[Gate]) -> str:
    """For the page."""
    apart, rows = told_apart(kills, crowds), []
    for role in BEHIND:
        of = [(kill, one) for kill, one in zip(kills, apart, strict=True) if kill.role == role]
        lost = sum(len(one.lost) for _, one in of)
        refused = [outcome.ended - outcome.begun for _, one in of for outcome in one.refused]
        soon = f", {max(refused):.1f} s at most each" if refused else ""
        rows.append(
            (
                f"{role}, {len(of)} x `kill -9`",
                f"{crowds[role].codes()['200']:,}",
                f"{lost:,} of {sum(kill.in_flight for kill, _ in of):,} in flight",
                f"{len(refused):,}{soon}",
                f"{max(kill.returned - kill.at for kill, _ in of):.1f} s at most",
                f"{max(kill.back_s for kill, _ in of):.1f} s at most",
            )
        )
    head = ("", "answers", "lost", "refused while it was away", "away for", "answers again after")
    told = f"{page.machine()}; one process of each service, {_CALLERS} callers of the gateway:"
    return f"{told}\n\n{page.table(rows, head)}\n\n{page.table([gate.row() for gate in kept], gates.HEAD)}"


def main() -> None:
    parser = argparse.ArgumentParser(description="kill -9 of every service behind the gateway.")
    parser.add_argument("--kills", type=int, default=20, help="of each service (20)")
    parser.add_argument("--into", type=Path, help="put the result between this page's markers")
    options = parser.parse_args()
    kills, crowds, lived = measure(options.kills)
    kept = judged(kills, crowds, lived)
    page.publish(text(kills, crowds, kept), "service_kills", options.into)
    gates.leave(kept)


if __name__ == "__main__":
    main()

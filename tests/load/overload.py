"""Callers who ask more than can be answered: what is answered, what is refused and how soon, and what it costs.

    python -m tests.load.overload [--seconds 60] [--into docs/reliability.md]

Calls come at random moments (Poisson), at 1, 2, 5 and 10 times the capacity, whether or not those before were answered.
All have a deadline, in which the capacity answers `_CALLS_IN_DEADLINE`; an answer after it is none. The capacity is
what callers get who ask again when they are answered; it is measured before and after each round, and a round is
compared with the mean of both, for a machine that others use too is faster in one minute than in the next.

The callers work on the same processors, and ten times as many calls cost them ten times as much: time which in earnest
is another machine's. So answers are also counted for each processor that the callers leave, in round and capacity.
"""

from __future__ import annotations

import argparse
import os
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from services.settings import Settings
from tests.load import gates, page
from tests.load.arrivals import Met, ask
from tests.load.gates import Gate
from tests.load.watch import figure, rss_mib
from tests.stack import Stack, running

TIMES = (1, 2, 5, 10)
_CALLERS = 16
_CALLS_IN_DEADLINE, _LEAST_S = 25, 1.0
_GOODPUT, _REFUSED_S, _GROWTH_MIB = 0.9, 0.05, 32.0  # the gates


@dataclass(frozen=True, slots=True)
class Capacity:
    """Answers a second of a closed loop, and for each processor that its callers left."""

    per_s: float
    per_processor: float


@dataclass(frozen=True, slots=True)
class Round:
    """So many times the capacity, which was this before and after; what it came to; the server's memory around it."""

    times: int
    met: Met
    capacity: tuple[Capacity, Capacity]
    before_mib: float
    after_mib: float

    def goodput(self) -> float:
        """Answers in time, a second."""
        return self.met.codes.get("OK", 0) / self.met.asked_s

    def share(self) -> float:
        """Of the capacity."""
        return 2 * self.goodput() / sum(each.per_s for each in self.capacity)

    def share_of_left(self) -> float:
        """Of the capacity, both for each processor that the callers left."""
        return 2 * self.goodput() / _left(self.met) / sum(each.per_processor for each in self.capacity)

    def accepted_s(self) -> list[float]:
        """Of calls that were not refused: those that were too late among them."""
        return [second for code in ("OK", "DEADLINE_EXCEEDED") for second in self.met.seconds.get(code, [])]

    def refused_s(self) -> list[float]:
        return self.met.seconds.get("RESOURCE_EXHAUSTED", [])


def settle(server: Stack) -> None:
    """Until the server has nothing to do."""
    while figure(server, "mien_places_taken", service="gateway") > 0:
        time.sleep(0.1)
    time.sleep(1.0)


def capacity(server: Stack, seconds: float) -> Capacity:
    settle(server)
    met = ask(server.address(), seconds, 60.0, callers=_CALLERS)
    per_s = met.codes.get("OK", 0) / met.lasted_s
    return Capacity(per_s, per_s / _left(met))


def measure(server: Stack, seconds: float) -> tuple[float, list[Round]]:
    """The deadline in seconds, and the rounds."""
    capacity(server, max(3.0, seconds / 6))  # warm
    before = capacity(server, seconds / 3)
    deadline_s = max(_LEAST_S, round(_CALLS_IN_DEADLINE / before.per_s, 1))
    page.say(f"capacity: {before.per_s:.1f} a second, deadline {deadline_s:g} s")
    rounds: list[Round] = []
    for times in TIMES:
        settle(server)
        before_mib = rss_mib(server.process.pid)
        met = ask(server.address(), seconds, deadline_s, per_s=times * before.per_s)
        after_mib = rss_mib(server.process.pid)
        after = capacity(server, seconds / 3)
        rounds.append(Round(times, met, (before, after), before_mib, after_mib))
        page.say(f"{times} x: {met.codes}, {rounds[-1].goodput():.1f} answers a second of {after.per_s:.1f} after it")
        before = after
    return deadline_s, rounds


def judged(rounds: list[Round], deadline_s: float) -> list[Gate]:
    """The gates, over the rounds beyond the capacity."""
    beyond = [each for each in rounds if each.times > 1]
    share = min(each.share_of_left() for each in beyond)
    refused_s = [second for each in beyond for second in each.refused_s()]
    refused = _quantile(refused_s, 50)
    late = max(_quantile(each.accepted_s(), 99) for each in beyond)
    growth = rounds[-1].after_mib - rounds[0].after_mib
    unadvised = len(refused_s) - sum(each.met.advised for each in beyond)
    other = sum(
        count
        for each in beyond
        for code, count in each.met.codes.items()
        if code not in ("OK", "RESOURCE_EXHAUSTED", "DEADLINE_EXCEEDED")
    )
    return [
        Gate(
            f"answers in time: at least {_GOODPUT:.0%} of the capacity, for each processor that the callers leave",
            f"{share:.0%} at least",
            share >= _GOODPUT,
        ),
        Gate(f"median of refusals under {_ms(_REFUSED_S)}", _ms(refused), refused < _REFUSED_S),
        Gate("every refusal says when to try again", f"{unadvised} did not", unadvised <= 0),
        Gate(f"p99 of accepted calls within {deadline_s:g} s", f"{late:.2f} s at most", late < deadline_s),
        Gate(
            f"memory grows by less than {_GROWTH_MIB:.0f} MiB after the first round",
            f"{growth:.0f} MiB",
            growth < _GROWTH_MIB,
        ),
        Gate("nothing but answers, refusals and late calls", f"{other} others", other == 0),
    ]


def text(rounds: list[Round], kept: list[Gate], seconds: float, deadline_s: float) -> str:
    """For the page."""
    head = (
        "calls", "capacity before, after", "answers in time", "callers' processors", "for each processor left",
        "accepted p50, p99", "refusals p50, p99", "codes", "memory",
    )  # fmt: skip
    rows = [
        (
            f"{each.times} x, {each.times * each.capacity[0].per_s:.0f} a second",
            ", ".join(f"{one.per_s:.1f}" for one in each.capacity),
            f"{each.goodput():.1f} a second, {each.share():.0%}",
            f"{each.met.cpu_s / each.met.lasted_s:.2f}",
            f"**{each.share_of_left():.0%}**",
            _two(each.accepted_s()),
            _two(each.refused_s()),
            ", ".join(f"{count:,} {code}" for code, count in sorted(each.met.codes.items())),
            f"{each.before_mib:.0f} → {each.after_mib:.0f} MiB",
        )
        for each in rounds
    ]
    told = (
        f"{page.machine()}. The capacity is what {_CALLERS} callers in a closed loop get, "
        f"{seconds / 3:.0f} s before and after each round. A round: Poisson arrivals for {seconds:g} s, deadline "
        f"{deadline_s:g} s, gRPC, one face in a picture:"
    )
    return f"{told}\n\n{page.table(rows, head)}\n\n{page.table([gate.row() for gate in kept], gates.HEAD)}"


def _left(met: Met) -> float:
    """Processors that the callers left to the server."""
    return (os.cpu_count() or 1) - met.cpu_s / met.lasted_s


def _quantile(values: list[float], per_cent: float) -> float:
    return float(np.percentile(values, per_cent)) if values else 0.0


def _two(values: list[float]) -> str:
    return f"{_ms(_quantile(values, 50))}, {_ms(_quantile(values, 99))}" if values else "none"


def _ms(seconds: float) -> str:
    return f"{seconds * 1000:.0f} ms"


def main() -> None:
    parser = argparse.ArgumentParser(description="More calls than can be answered.")
    parser.add_argument("--seconds", type=float, default=60.0, help="of each round (60)")
    parser.add_argument("--into", type=Path, help="put the result between this page's markers")
    options = parser.parse_args()
    target_s = Settings.model_fields["queue_target_s"].default  # as deployed, not as in tests
    with running("all", ready_within_s=240, queue_target_s=target_s) as server:
        deadline_s, rounds = measure(server, options.seconds)
    kept = judged(rounds, deadline_s)
    page.publish(text(rounds, kept, options.seconds, deadline_s), "overload", options.into)
    gates.leave(kept)


if __name__ == "__main__":
    main()

"""Waiting lines in closed form: what load means for waiting. Seconds, and calls a second.

`Machine` is an M/G/m queue: calls arrive at random (Poisson), m servers, a service time of any distribution.
`BatchServer` takes all that wait at once, as a GPU with dynamic batching does.

Sources: A. K. Erlang, 1917 (the share that waits); A. M. Lee and P. A. Longton, Operational Research Quarterly 10, 1959
(M/G/m from M/M/m; for m = 1 it is Pollaczek and Khinchine's formula); Y. Inoue, Performance Evaluation 147, 2021,
arXiv:1912.06322 (batches).
"""

from __future__ import annotations

import math
from dataclasses import dataclass


def erlang_c(servers: int, offered: float) -> float:
    """The share of calls that must wait in M/M/m.

    Args:
        offered: arrivals a second x service time, less than `servers`.
    """
    blocked = 1.0  # Erlang's B, server by server: no factorial that could overflow
    for number in range(1, servers + 1):
        blocked = offered * blocked / (number + offered * blocked)
    return blocked / (1 - offered / servers * (1 - blocked))


@dataclass(frozen=True, slots=True)
class Machine:
    """An M/G/m queue.

    Attributes:
        servers: calls that are worked on at once, e.g. cores.
        service_s: what a call takes of one of them.
        variation: standard deviation of the service time ÷ its mean; 0 always the same, 1 exponential.
    """

    servers: int
    service_s: float
    variation: float = 1.0

    @property
    def most_per_s(self) -> float:
        """What it can do when there is always somebody waiting."""
        return self.servers / self.service_s

    def wait_s(self, per_s: float) -> float:
        """The mean wait for a server. Raises ValueError where the line would grow for ever."""
        slack = self.most_per_s - self._stable(per_s)
        return (1 + self.variation**2) / 2 * erlang_c(self.servers, per_s * self.service_s) / slack

    def wait_within_s(self, per_s: float, share: float) -> float:
        """A wait that this share of calls does not exceed: the tail is taken as exponential (exact for M/M/m)."""
        waiting = erlang_c(self.servers, self._stable(per_s) * self.service_s)
        if waiting <= 1 - share:
            return 0.0
        return self.wait_s(per_s) / waiting * math.log(waiting / (1 - share))

    def queued(self, per_s: float) -> float:
        """How many wait, on average (Little's law)."""
        return per_s * self.wait_s(per_s)

    def in_flight(self, per_s: float) -> float:
        """How many wait or are worked on, on average."""
        return per_s * (self.wait_s(per_s) + self.service_s)

    def load_for(self, wait_s: float, share: float) -> float:
        """The most calls a second at which `share` of them wait no longer than `wait_s`."""
        low, high = 0.0, self.most_per_s
        for _ in range(60):
            middle = (low + high) / 2
            low, high = (middle, high) if self.wait_within_s(middle, share) <= wait_s else (low, middle)
        return low

    def _stable(self, per_s: float) -> float:
        if not 0 <= per_s < self.most_per_s:
            raise ValueError(f"{per_s:g} calls a second are more than this machine's {self.most_per_s:g}.")
        return per_s


@dataclass(frozen=True, slots=True)
class BatchServer:
    """One server that takes all that wait, up to `largest`; a batch of n takes `fixed_s` + n x `row_s`."""

    row_s: float
    fixed_s: float
    largest: int

    @classmethod
    def of(cls, times: dict[int, float]) -> BatchServer:
        """The straight line nearest to measured batches: rows → seconds.

        Raises:
            ValueError: fewer than two sizes, or larger batches do not take longer.
        """
        if len(times) < 2:
            raise ValueError("a batch server needs the seconds of two batch sizes or more, as 1=0.004,32=0.021")
        rows, seconds = list(times), list(times.values())
        mean_rows, mean_s = sum(rows) / len(rows), sum(seconds) / len(seconds)
        spread = sum((n - mean_rows) ** 2 for n in rows)
        row_s = sum((n - mean_rows) * (s - mean_s) for n, s in zip(rows, seconds, strict=True)) / spread
        if row_s <= 0:
            raise ValueError("larger batches must take longer; measure again, with more repetitions")
        return cls(row_s, max(0.0, mean_s - row_s * mean_rows), max(rows))

    @property
    def most_per_s(self) -> float:
        """Rows a second in full batches."""
        return self.largest / (self.fixed_s + self.largest * self.row_s)

    @property
    def half_full_per_s(self) -> float:
        """Rows a second at which batches are half full: room for a burst, and the bound below still means something."""
        half = self.largest / 2
        return half / (self.fixed_s + half * self.row_s)

    def latency_s(self, per_s: float) -> float:
        """An upper bound of the mean time to an answer (Inoue's phi), where no batch is cut off at `largest`."""
        load = per_s * self.row_s
        if not 0 <= load < 1:
            raise ValueError(f"{per_s:g} rows a second are more than the server's {1 / self.row_s:g}.")
        light = (1 + 2 * per_s * self.fixed_s + (1 - per_s * self.fixed_s) / (1 + load)) / (2 * (1 - load))
        heavy = 1.5 * self.fixed_s / (1 - load) + self.row_s / 2 * (load + 2) / (1 - load**2)
        return min((self.row_s + self.fixed_s) * light, heavy)

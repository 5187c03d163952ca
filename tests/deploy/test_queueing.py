"""The formulas against closed forms, published tables and a simulation."""

from __future__ import annotations

import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deploy.queueing import BatchServer, Machine, erlang_c


def test_one_exponential_server_is_m_m_1() -> None:
    machine = Machine(servers=1, service_s=0.1, variation=1.0)
    for per_s in (1.0, 5.0, 9.0):
        load = per_s * 0.1
        assert machine.wait_s(per_s) == pytest.approx(load / (10 - per_s))
        assert machine.in_flight(per_s) == pytest.approx(load / (1 - load))
        # P(W > t) = load e^-(mu - lambda)t
        within = machine.wait_within_s(per_s, 0.99)
        assert load * math.exp(-(10 - per_s) * within) == pytest.approx(0.01)


def test_one_server_of_constant_times_is_pollaczek_and_khinchines() -> None:
    assert Machine(1, 0.1, variation=0.0).wait_s(5.0) == pytest.approx(0.5 * 0.1 / (2 * (1 - 0.5)))


@pytest.mark.parametrize(
    ("servers", "offered", "share"),
    # Erlang C by its definition: a^m/m! m/(m-a) / (sum of a^k/k! + the same)
    [(1, 0.7, 0.7), (2, 1.0, 1 / 3), (2, 1.8, 0.852632), (10, 8.0, 0.409180)],
)
def test_the_share_that_waits_is_erlangs(servers: int, offered: float, share: float) -> None:
    last = offered**servers / math.factorial(servers) * servers / (servers - offered)
    assert erlang_c(servers, offered) == pytest.approx(
        last / (sum(offered**k / math.factorial(k) for k in range(servers)) + last)
    )
    assert erlang_c(servers, offered) == pytest.approx(share, abs=1e-6)


def test_a_thousand_servers_do_not_overflow() -> None:
    assert 0 < erlang_c(1000, 950.0) < 1


@given(st.integers(1, 64), st.floats(0.001, 1), st.floats(0, 2), st.floats(0.01, 2), st.floats(0.5, 0.999))
def test_the_load_for_a_wait_keeps_it_and_a_little_more_would_not(
    servers: int, service_s: float, variation: float, wait_s: float, share: float
) -> None:
    machine = Machine(servers, service_s, variation)
    per_s = machine.load_for(wait_s, share)
    assert 0 < per_s < machine.most_per_s
    assert machine.wait_within_s(per_s, share) <= wait_s * (1 + 1e-6)
    more = per_s + 0.01 * machine.most_per_s
    assert more >= machine.most_per_s or machine.wait_within_s(more, share) > wait_s


def test_more_than_a_machine_can_do_is_refused() -> None:
    with pytest.raises(ValueError, match="more than this machine's 10"):
        Machine(1, 0.1).wait_s(10.0)


@pytest.mark.parametrize("per_s", [20.0, 100.0, 400.0, 700.0])
def test_the_latency_of_batches_is_bounded_and_the_bound_is_close(per_s: float) -> None:
    server = BatchServer(row_s=0.001, fixed_s=0.005, largest=1_000_000)
    simulated = _mean_latency_s(server, per_s, arrivals=60_000)
    assert simulated * 0.97 <= server.latency_s(per_s) <= simulated * 1.2


def _mean_latency_s(server: BatchServer, per_s: float, arrivals: int) -> float:
    """Poisson arrivals; whenever the server is free it takes all that wait."""
    chance = random.Random(7)
    times, now = [], 0.0
    for _ in range(arrivals):
        now += chance.expovariate(per_s)
        times.append(now)
    first, free, total = 0, 0.0, 0.0
    while first < arrivals:
        start = max(free, times[first])
        after = first
        while after < arrivals and times[after] <= start:
            after += 1
        free = start + server.fixed_s + server.row_s * (after - first)
        total += sum(free - time for time in times[first:after])
        first = after
    return total / arrivals


def test_a_line_through_measured_batches_finds_its_two_parts() -> None:
    server = BatchServer.of({1: 0.006, 8: 0.013, 32: 0.037})
    assert (server.row_s, server.fixed_s, server.largest) == (pytest.approx(0.001), pytest.approx(0.005), 32)
    assert server.most_per_s == pytest.approx(32 / 0.037)
    assert server.half_full_per_s == pytest.approx(16 / 0.021)


@pytest.mark.parametrize("times", [{8: 0.01}, {1: 0.02, 8: 0.01}])
def test_batches_that_say_nothing_are_refused(times: dict[int, float]) -> None:
    with pytest.raises(ValueError):
        BatchServer.of(times)

"""How many photos a day, on how many machines, at what wait: `python -m deploy.capacity --help`.

A machine's figures come from `make bench` as it stands in the README, or from --throughput or --service-time; a GPU's
from measured batches (--batches). The model is `deploy.queueing`'s; it knows nothing of networks, disks or restarts, so
plan with a margin. It is no verb of `mien`, since it serves whoever deploys, and reads the README of a checkout.
"""

from __future__ import annotations

import argparse
import math
import re
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

from deploy.queueing import BatchServer, Machine

ROOT = Path(__file__).resolve().parents[1]
DAY_S = 86_400
_UNITS_S = {"s": 1, "m": 60, "h": 3600, "d": DAY_S}


@dataclass(frozen=True, slots=True)
class Measured:
    """A machine and where its figures are from."""

    machine: Machine
    source: str


def from_bench(text: str, variation: float) -> Measured:
    """What `make bench` wrote into the README: the gateway's images a second on all cores.

    Raises:
        ValueError: there is no such line.
    """
    cores = re.search(r"On (\d+) CPU cores \(([^)]*)\)", text)
    gateway = re.search(r"\| gateway, 8 callers \| ([\d.]+) images/s", text)
    if not cores or not gateway:
        raise ValueError("the README has no figures of `make bench`; run it, or give --throughput and --cores")
    per_s, servers = float(gateway[1]), int(cores[1])
    source = (
        f"make bench in README.md: {per_s:g} images/s of the gateway and its callers on {servers} cores ({cores[2]})"
    )
    return Measured(Machine(servers, servers / per_s, variation), source)


def parsed_batches(text: str) -> dict[int, float]:
    """1=0.004,32=0.021 → rows: seconds."""
    pairs = [pair.partition("=") for pair in text.split(",")]
    return {int(rows): float(seconds) for rows, _, seconds in pairs}


def parsed_time_s(text: str) -> float:
    """24h, 7d, 90m or 30s → seconds."""
    found = re.fullmatch(r"([\d.]+)([smhd])", text)
    if not found:
        raise ValueError(f"{text}: write a time as 24h, 7d, 90m or 30s")
    return float(found[1]) * _UNITS_S[found[2]]


def plan(machine: Machine, wait_s: float, share: float, machines: list[int], spare: int) -> Table:
    """Photos a day of so many machines, for callers who wait (`spare` of the machines may fail) and for streams."""
    table = Table(title="Machines", title_justify="left")
    for name in ("machines", "photos/s", "photos/day", "used", "mean wait", f"{share:.0%} wait at most", "bulk/day"):
        table.add_column(name, justify="right")
    each_per_s = machine.load_for(wait_s, share)  # each machine has a line of its own
    for count in machines:
        per_s = max(0, count - spare) * each_per_s
        table.add_row(
            f"{count:,}",
            f"{per_s:,.1f}",
            f"{per_s * DAY_S:,.0f}",
            f"{per_s / (count * machine.most_per_s):.0%}",
            _ms(machine.wait_s(each_per_s)),
            _ms(machine.wait_within_s(each_per_s, share)),
            f"{count * machine.most_per_s * DAY_S:,.0f}",
        )
    return table


def goals(per_s: float, bulk_per_s: float, photos: list[float], within_s: float, what: str) -> Table:
    """How many are wanted for so many photos in a given time."""
    table = Table(title=f"{what} for so many photos within {within_s / 3600:g} hours", title_justify="left")
    for name in ("photos", "photos/s", "for callers who wait", "bulk (streams)"):
        table.add_column(name, justify="right")
    for number in photos:
        wanted = number / within_s
        table.add_row(
            f"{number:,.0f}", f"{wanted:,.1f}", f"{math.ceil(wanted / per_s):,}", f"{math.ceil(wanted / bulk_per_s):,}"
        )
    return table


def _ms(seconds: float) -> str:
    return f"{seconds * 1000:.0f} ms"


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m deploy.capacity", description="How many photos on how many machines."
    )
    parser.add_argument("--throughput", type=float, help="photos/s that one machine reached under load")
    parser.add_argument("--service-time", type=float, help="core-seconds that a photo takes, instead of --throughput")
    parser.add_argument("--cores", type=int, help="of that machine")
    parser.add_argument(
        "--variation", type=float, default=1.0, help="of a photo's work: deviation / mean (cautious: 1)"
    )
    parser.add_argument("--batches", type=parsed_batches, help="a GPU's: rows=seconds,... as measured")
    parser.add_argument(
        "--rows", type=float, default=1.0, help="rows of such batches that a photo makes (faces, canvases)"
    )
    parser.add_argument("--wait", type=float, default=0.25, help="seconds that a photo may wait for a core")
    parser.add_argument("--share", type=float, default=0.95, help="the share of photos for which that must hold")
    parser.add_argument("--machines", type=int, nargs="+", default=[1, 2, 5, 10, 50])
    parser.add_argument("--spare", type=int, default=0, help="machines that may fail without breaking the promise")
    parser.add_argument("--photos", type=float, nargs="+", default=[1e6, 1e7, 1e9])
    parser.add_argument("--within", type=parsed_time_s, default=float(DAY_S), help="24h, 7d, 90m, 30s")
    parser.add_argument("--write", type=Path, help="put it between this file's capacity markers too")
    options = parser.parse_args()
    if (options.throughput or options.service_time) and not options.cores:
        parser.error("--throughput and --service-time need --cores")
    return options


def measured(options: argparse.Namespace) -> Measured:
    """The machine that the options or the README tell of."""
    if options.service_time:
        machine = Machine(options.cores, options.service_time, options.variation)
        return Measured(
            machine, f"--service-time: {options.service_time:g} core-seconds a photo, {options.cores} cores"
        )
    if options.throughput:
        machine = Machine(options.cores, options.cores / options.throughput, options.variation)
        return Measured(machine, f"--throughput: {options.throughput:g} photos/s on {options.cores} cores")
    return from_bench((ROOT / "README.md").read_text(), options.variation)


def main() -> None:
    options, say = _arguments(), Console(highlight=False, soft_wrap=True, width=110, record=True)
    try:
        if options.batches:
            _tell_gpu(BatchServer.of(options.batches), options, say)
        else:
            _tell_machine(measured(options), options, say)
    except ValueError as error:
        raise SystemExit(f"capacity: {error}") from None
    if options.write:
        text = say.export_text(styles=False).rstrip()
        page = re.sub(
            r"(<!-- capacity -->\n).*?(<!-- /capacity -->)",
            lambda marks: f"{marks[1]}```\n{text}\n```\n{marks[2]}",
            options.write.read_text(),
            flags=re.DOTALL,
        )
        options.write.write_text(page)


def _tell_gpu(gpu: BatchServer, options: argparse.Namespace, say: Console) -> None:
    per_s, most = gpu.half_full_per_s / options.rows, gpu.most_per_s / options.rows
    say.print(f"A batch of n takes {gpu.fixed_s * 1000:.3f} + n x {gpu.row_s * 1000:.3f} ms, n at most {gpu.largest}.")
    say.print(
        f"One GPU, {options.rows:g} rows a photo, half-full batches: {per_s:,.1f} photos/s, {per_s * DAY_S:,.0f} a day,"
    )
    say.print(f"mean latency at most {_ms(gpu.latency_s(gpu.half_full_per_s))}; full batches: {most:,.1f} photos/s.")
    say.print(goals(per_s, most, options.photos, options.within, "GPUs"))
    say.print("Set-point of the autoscaler at that load, for each GPU (deploy/kubernetes/gpu):")
    say.print(f"  nv_inference_pending_request_count averageValue {max(1, gpu.largest // 2)}")


def _tell_machine(told: Measured, options: argparse.Namespace, say: Console) -> None:
    machine = told.machine
    per_s = machine.load_for(options.wait, options.share)
    say.print(
        f"From {told.source}.\nA photo takes {machine.service_s:.3f} core-seconds; variation {machine.variation:g}."
    )
    say.print(plan(machine, options.wait, options.share, options.machines, options.spare))
    say.print(goals(per_s, machine.most_per_s, options.photos, options.within, "Machines"))
    say.print("Set-points of the autoscalers at that load, for each machine (deploy/kubernetes):")
    say.print(f"  mien_queue_rows averageValue {machine.queued(per_s):.2g}")
    say.print(f"  mien_requests_in_flight averageValue {machine.in_flight(per_s):.2g}")
    say.print(f"  CPU utilisation {per_s / machine.most_per_s:.0%}")


if __name__ == "__main__":
    main()

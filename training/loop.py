"""The training loop: epochs, progress, checkpoints, the best by validation. Knows nothing of any method.

A run's folder holds `config.json` (written first), `metrics.jsonl` (a line per epoch), `last.pt` (to resume) and
`best.pt` (the weights with the highest validation score). Starting a run again continues it; a changed configuration
is refused. Under `torchrun` every process runs this loop; process 0 alone validates, writes and decides when to stop,
and the others wait for it.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TypeVar

import torch
import torch.distributed as dist
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from training import checkpoint
from training.config import Config, as_dict, from_dict
from training.task import Task

# While process 0 validates, the others wait in a collective call. torchrun ends them all if one dies, so a long wait is
# never a hang, and a short limit would only kill a run with a large validation set.
LONGEST_WAIT = timedelta(days=1)

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Process:
    """This process among those of the run: `rank` of `world`, and the device it works on."""

    rank: int
    world: int
    device: torch.device


def join() -> Process:
    """Join the processes that `torchrun` started (nccl on GPUs, gloo on CPUs); alone without it."""
    gpu = torch.cuda.is_available()
    local = int(os.environ.get("LOCAL_RANK", 0))
    device = torch.device("cuda", local) if gpu else torch.device("cpu")
    world = int(os.environ.get("WORLD_SIZE", 1))
    if gpu:
        torch.cuda.set_device(device)
    if world > 1 and not dist.is_initialized():
        dist.init_process_group("nccl" if gpu else "gloo", timeout=LONGEST_WAIT)
    return Process(int(os.environ.get("RANK", 0)), world, device)


def leave() -> None:
    """Part from the other processes; call it once, when nothing more is to be trained."""
    if dist.is_initialized():
        dist.barrier()  # who left while another still talks would end that one's threads, and with them its process
        dist.destroy_process_group()


def _as_first(value: T, process: Process) -> T:
    """What process 0 holds, on every process; waits for process 0."""
    if process.world == 1:
        return value
    held = [value]
    dist.broadcast_object_list(held, src=0, device=process.device)
    return held[0]


def run(config: Config, build: Callable[[Process], Task], folder: Path, stop_after_s: float = 0) -> dict[str, float]:
    """Train to the end, or for `stop_after_s` seconds (0: no limit; the next call continues).

    Returns:
        The validation scores of the best epoch, with its number under `epoch`; empty if none has ended yet.

    Raises:
        ValueError: the folder holds a run of another configuration, or of fewer or more data.
    """
    process = join()
    if config.train.threads:
        torch.set_num_threads(config.train.threads)
    first = process.rank == 0
    if first:
        _claim(folder, config)
    task = build(process)
    epoch, step, best = 0, 0, {}
    totals: dict[str, float] = {}
    if (folder / "last.pt").exists():
        state = checkpoint.load(folder / "last.pt")
        began = state.get("steps_per_epoch", task.steps_per_epoch)  # absent in runs from before it was kept
        if began != task.steps_per_epoch:
            raise ValueError(
                f"{folder}: the run began with {began:,} steps an epoch, the data now give {task.steps_per_epoch:,}; "
                "bring the data back, or train under another name"
            )
        task.restore(state["task"])
        epoch, step, best, totals = state["epoch"], state["step"], state["best"], state["totals"]

    def save() -> None:
        if first:
            state = {"task": task.state(), "epoch": epoch, "step": step, "best": best, "totals": totals}
            state["steps_per_epoch"] = task.steps_per_epoch
            checkpoint.save(folder / "last.pt", state)

    started = saved = time.monotonic()
    with _progress(first) as progress:
        total = config.train.epochs * task.steps_per_epoch
        bar = progress.add_task(config.name, total=total, text="")
        while epoch < config.train.epochs:
            # A run that stopped after an epoch's last step comes here only to validate: no step, no rate.
            epoch_started, first_step, rate = time.monotonic(), step, 0.0
            while step < task.steps_per_epoch:
                for name, value in task.step(epoch, step).items():
                    totals[name] = totals.get(name, 0.0) + value
                step += 1
                now = time.monotonic()
                rate = (step - first_step) * task.images_per_step / (now - epoch_started)
                losses = "  ".join(f"{name} {value / step:.3f}" for name, value in totals.items())
                done = epoch * task.steps_per_epoch + step
                text = f"epoch {epoch + 1}/{config.train.epochs}  {rate:.0f} images/s  {losses}"
                progress.update(bar, completed=done, text=text)
                # One clock decides: a process that stopped alone would leave the others waiting for its gradients.
                over = bool(stop_after_s) and _as_first(now - started > stop_after_s, process)
                if over or now - saved > config.train.checkpoint_every_s:
                    save()
                    saved = now
                    if first and not progress.console.is_terminal:  # a file shows no bar
                        progress.console.print(f"step {done:,} of {total:,}  {text}", soft_wrap=True)
                if over:
                    return best
            scores = task.validate() if first else {}
            line = {"epoch": epoch + 1, "images_per_s": round(rate, 1)}
            line |= {name: round(value / step, 5) for name, value in totals.items()} | scores
            epoch, step, totals = epoch + 1, 0, {}
            if first:
                with (folder / "metrics.jsonl").open("a") as log:
                    log.write(json.dumps(line) + "\n")
                shown = (f"{k} {v:.4f}" if isinstance(v, float) else f"{k} {v}" for k, v in line.items())
                progress.console.print("  ".join(shown), soft_wrap=True)
                if scores["score"] > best.get("score", -1.0):
                    best = {"epoch": float(epoch), **scores}
                    checkpoint.save(folder / "best.pt", {"weights": task.weights(), "scores": best})
            best = _as_first(best, process)
            save()
            saved = time.monotonic()
    if process.world > 1:
        dist.barrier()  # who leaves while another still listens makes that one abort
    return best


def _claim(folder: Path, config: Config) -> None:
    """Write the configuration before the run starts, or check that it is the one that the folder was started with."""
    folder.mkdir(parents=True, exist_ok=True)
    wanted = json.loads(json.dumps(as_dict(config)))
    record = folder / "config.json"
    if record.exists():
        # A key that the record is too old to have counts as its default: that is what the run was started with.
        found = json.loads(json.dumps(as_dict(from_dict(json.loads(record.read_text())))))
        changed = [section for section in wanted if wanted[section] != found.get(section)]
        if changed:
            raise ValueError(
                f"{folder} holds a run of another configuration ({', '.join(changed)} differ): "
                "delete the folder to start again, or give this run another name"
            )
    record.write_text(json.dumps(wanted, indent=2) + "\n")


def _progress(visible: bool) -> Progress:
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[text]}"),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        console=Console(),
        disable=not visible,
        refresh_per_second=1,
    )

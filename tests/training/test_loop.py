"""Runs that are killed, changed, or split over processes."""

from __future__ import annotations

import json
import math
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.training.conftest import ROOT
from tests.training.tiny_run import build, config
from training import checkpoint, loop, runs

SCRIPT = Path(__file__).with_name("tiny_run.py")
HERE = {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "PATH": "/usr/bin:/bin"}


def train(folder: Path, stop_after_s: float = 0, **sections: dict[str, Any]) -> dict[str, float]:
    wanted = config(**sections)
    return loop.run(wanted, lambda process: build(wanted, process), folder, stop_after_s)


def same(left: Any, right: Any) -> bool:
    if isinstance(left, torch.Tensor):
        return torch.equal(left, right)
    if isinstance(left, dict):
        return left.keys() == right.keys() and all(same(left[key], right[key]) for key in left)
    if isinstance(left, (list, tuple)):
        return len(left) == len(right) and all(map(same, left, right))
    return bool(left == right)


@pytest.fixture
def uninterrupted(small: None, tmp_path: Path) -> Path:
    train(tmp_path / "uninterrupted")
    return tmp_path / "uninterrupted"


def test_a_run_that_writes_into_a_file_says_at_every_checkpoint_how_far_it_is(
    small: None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    train(tmp_path / "run", train={"checkpoint_every_s": 0.0})
    lines = capsys.readouterr().out.splitlines()
    steps = [line for line in lines if line.startswith("step ")]
    assert steps[0].startswith("step 1 of ")
    assert "images/s" in steps[0]
    assert "cross_entropy" in steps[0]
    assert sum(line.startswith("epoch ") for line in lines) == len(runs.epochs(tmp_path / "run"))


def test_a_run_killed_in_mid_epoch_ends_with_the_very_same_weights(uninterrupted: Path, tmp_path: Path) -> None:
    killed = tmp_path / "killed"
    command = [sys.executable, str(SCRIPT), str(killed), "0.3"]
    with subprocess.Popen(command, env=HERE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if line.startswith("step 1 2"):
                process.send_signal(signal.SIGKILL)
                break
    state = checkpoint.load(killed / "last.pt")
    assert (state["epoch"], state["step"]) == (1, 2), "it was killed after the third step, before that was saved"
    train(killed)
    for name in ("last.pt", "best.pt"):
        assert same(checkpoint.load(killed / name), checkpoint.load(uninterrupted / name)), name


def test_a_run_that_was_stopped_goes_on(uninterrupted: Path, tmp_path: Path) -> None:
    stopped = tmp_path / "stopped"
    for _ in range(40):
        train(stopped, stop_after_s=1e-6)
        if len(runs.epochs(stopped)) == 2:
            break
    last = [checkpoint.load(folder / "last.pt") for folder in (stopped, uninterrupted)]
    assert same(*last)


def test_a_changed_configuration_is_refused(uninterrupted: Path) -> None:
    before = (uninterrupted / "last.pt").read_bytes()
    with pytest.raises(ValueError, match=r"another configuration \(optimizer differ\)"):
        train(uninterrupted, optimizer={"lr": 0.5})
    assert (uninterrupted / "last.pt").read_bytes() == before


def test_a_run_whose_data_have_grown_is_refused(uninterrupted: Path) -> None:
    wanted, more = config(), config(train={"batch": 4})
    with pytest.raises(ValueError, match=r"began with 5 steps an epoch, the data now give 10;"):
        loop.run(wanted, lambda process: build(more, process), uninterrupted)


def test_a_run_from_before_a_section_was_added_goes_on(tmp_path: Path) -> None:
    train(tmp_path, stop_after_s=1e-6)
    record = tmp_path / "config.json"
    older = json.loads(record.read_text())
    del older["generation"], older["data"]["statues_share"]
    record.write_text(json.dumps(older))
    train(tmp_path, stop_after_s=1e-6)
    assert checkpoint.load(tmp_path / "last.pt")["step"] == 2


def test_the_best_epoch_is_kept_with_its_scores(uninterrupted: Path) -> None:
    lines = runs.epochs(uninterrupted)
    assert [line["epoch"] for line in lines] == [1, 2]
    best = max(lines, key=lambda line: line["score"])
    found = runs.open_run(uninterrupted)
    assert found.scores["score"] == best["score"]
    assert found.config == config()
    assert not found.network.training


def test_an_epoch_written_twice_counts_once(tmp_path: Path) -> None:
    (tmp_path / "metrics.jsonl").write_text('{"epoch": 1, "score": 0.1}\n{"epoch": 1, "score": 0.2}\n')
    assert runs.epochs(tmp_path) == [{"epoch": 1, "score": 0.2}]


def test_a_folder_without_a_run_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="mien train"):
        runs.open_run(tmp_path)
    with pytest.raises(FileNotFoundError, match="mien train"):
        checkpoint.load(tmp_path / "best.pt")


def test_a_checkpoint_is_never_half_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    checkpoint.save(tmp_path / "last.pt", {"value": 1})

    def torn(state: object, file: Any) -> None:
        file.write(b"half")
        raise OSError("disk full")

    monkeypatch.setattr(torch, "save", torn)
    with pytest.raises(OSError, match="disk full"):
        checkpoint.save(tmp_path / "last.pt", {"value": 2})
    assert checkpoint.load(tmp_path / "last.pt") == {"value": 1}


def test_two_processes_train_one_network(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    done = subprocess.run(
        [*command, str(SCRIPT), str(tmp_path)], env=HERE, capture_output=True, text=True, timeout=400, check=False
    )
    assert done.returncode == 0, done.stderr  # all of it: why a process ended stands before torchrun's own end
    first, second = (json.loads((tmp_path / f"process_{rank}.json").read_text()) for rank in (0, 1))
    assert first == second, "same weights, and the same best epoch told"
    lines = runs.epochs(tmp_path)
    assert len(lines) == 2
    assert all(math.isfinite(line["cross_entropy"]) for line in lines)
    assert lines[1]["cross_entropy"] < lines[0]["cross_entropy"] * 1.2

"""`mien classify` as a process of its own: killed, interrupted, refused."""

from __future__ import annotations

import errno
import json
import random
import re
import signal
import subprocess
from functools import partial
from pathlib import Path

import pytest
from typer.testing import CliRunner

from mien import results
from mien.cli import app
from tests.mien.batch.conftest import Batch, command
from tests.mien.batch.fake_gateway import Gateway


@pytest.mark.parametrize("seed", [1, 2])
def test_killed_anywhere_and_asked_again_the_table_has_the_same_bytes(
    batch: Batch, gateway: Gateway, photos: Path, tmp_path: Path, seed: int
) -> None:
    batch()
    target, chance, statuses = tmp_path / "killed.parquet", random.Random(seed), []
    gateway.delay_s = 0.005
    for _ in range(3):
        gateway.asked.clear()
        process = command(photos, target, gateway)
        gateway.meet = partial(_kill, process, chance.randrange(1, 20))
        process.communicate(timeout=60)
        statuses.append(process.returncode)
    assert -signal.SIGKILL in statuses
    assert set(statuses) <= {-signal.SIGKILL, 0}
    gateway.meet = lambda _: None
    process = command(photos, target, gateway)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 0, errors
    assert target.read_bytes() == (tmp_path / "results.parquet").read_bytes()
    assert not Path(f"{target}.parts").exists()


def _kill(process: subprocess.Popen[str], at: int, number: int) -> None:
    if number == at:
        process.kill()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_keeps_what_is_answered_and_says_how_to_go_on(
    gateway: Gateway, photos: Path, tmp_path: Path, number: signal.Signals
) -> None:
    target = tmp_path / "results.jsonl"
    process = command(photos, target, gateway, "--part", "1000")
    gateway.delay_s = 0.01
    gateway.meet = lambda count: process.send_signal(number) if count == 15 else None
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "the same command goes on" in errors
    assert "Traceback" not in errors
    assert len(list(Path(f"{target}.parts").glob("*.parquet"))) == 1
    gateway.asked.clear()
    gateway.meet = lambda _: None
    out, errors = command(photos, target, gateway).communicate(timeout=60)
    assert 0 < gateway.asked.total() < 40
    assert "40 images" in out
    assert "already" in errors
    assert len({json.loads(line)["image"] for line in target.read_text().splitlines()}) == 40


def test_patience_that_ends_is_a_sentence_and_a_status_of_its_own(photos: Path, tmp_path: Path) -> None:
    process = command(photos, tmp_path / "results.csv", Gateway(), "--patience", "0.3")
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 75
    assert "no gateway has answered" in errors
    assert "the same command goes on" in errors
    assert "Traceback" not in errors


def test_a_full_disk_is_one_sentence_and_with_room_again_the_same_command_goes_on(
    gateway: Gateway, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "Error writing bytes to file")

    target = tmp_path / "results.parquet"
    order = ["classify", str(photos), "--to", str(target), "--gateway", gateway.address]
    with monkeypatch.context() as patch:
        patch.setattr("mien.batch.parts.pq.write_table", full)
        done = CliRunner().invoke(app, order)
    assert done.exit_code == 74
    assert "No space left on device" in done.output
    assert "the same command goes on" in done.output
    assert CliRunner().invoke(app, order).exit_code == 0
    assert len(set(results.read([target])["image"].to_pylist())) == 40


def test_a_table_of_no_known_kind_is_refused(photos: Path, tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["classify", str(photos), "--to", str(tmp_path / "results.xlsx")])
    assert done.exit_code == 2
    assert "--to must end in .parquet, .csv, .jsonl" in done.output


def test_more_than_one_photo_needs_a_table(photos: Path) -> None:
    done = CliRunner().invoke(app, ["classify", str(photos)])
    assert done.exit_code == 2
    assert "--to results.parquet" in done.output


def test_the_summary_counts_faces_and_errors_by_code(gateway: Gateway, photos: Path, tmp_path: Path) -> None:
    (photos / "bad.jpg").write_bytes(b"error not_an_image")
    order = ["classify", str(photos), "--to", str(tmp_path / "results.parquet"), "--gateway", gateway.address]
    first, again = CliRunner().invoke(app, order), CliRunner().invoke(app, order)
    assert first.exit_code == again.exit_code == 0
    assert re.search(r"41 images, \d+ faces, 1 errors \(not_an_image 1\), [\d.]+ images/s", first.output)
    assert "is complete" in again.output

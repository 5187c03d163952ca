"""The plan: what is read, what is counted, what is printed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from deploy.capacity import from_bench, parsed_batches, parsed_time_s
from deploy.queueing import Machine

ROOT = Path(__file__).resolve().parents[2]
BENCH = "On 4 CPU cores (x86_64), a photo:\n| | |\n|---|---|\n| gateway, 8 callers | 40.0 images/s, p50 1 ms |\n"


def asked(*options: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "deploy.capacity", *options]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


def row(text: str, first: str) -> list[str]:
    """The cells of the table row that begins so."""
    rows = ([cell.strip() for cell in line.strip("│ ").split("│")] for line in text.splitlines())
    return next(cells for cells in rows if cells[0] == first)


def test_the_bench_of_the_readme_is_read() -> None:
    told = from_bench(BENCH, variation=0.5)
    assert told.machine == Machine(servers=4, service_s=0.1, variation=0.5)
    assert "40 images/s" in told.source
    assert from_bench((ROOT / "README.md").read_text(), 1.0).machine.service_s > 0


def test_a_readme_without_figures_says_what_to_do() -> None:
    with pytest.raises(ValueError, match="run it"):
        from_bench("nothing", 1.0)


def test_a_million_photos_take_as_many_machines_as_the_load_says() -> None:
    done = asked("--throughput", "20", "--cores", "2", "--wait", "0.2", "--photos", "1e6", "1e9", "--within", "24h")
    assert done.returncode == 0, done.stderr
    per_s = Machine(2, 0.1, 1.0).load_for(0.2, 0.95)
    assert row(done.stdout, "1,000,000,000")[2:] == [f"{-(-1e9 / 86400 // per_s):,.0f}", "579"]
    assert row(done.stdout, "1,000,000")[2:] == ["2", "1"]
    assert f"CPU utilisation {per_s / 20:.0%}" in done.stdout


def test_a_spare_machine_carries_no_load() -> None:
    done = asked("--throughput", "20", "--cores", "2", "--machines", "1", "2", "3", "--spare", "1")
    one, two, three = (row(done.stdout, number) for number in "123")
    assert one[1] == "0.0"
    assert float(three[1]) == pytest.approx(2 * float(two[1]), abs=0.1)
    assert int(three[-1].replace(",", "")) == 3 * 20 * 86_400


def test_a_gpu_is_planned_from_its_batches_and_the_rows_of_a_photo() -> None:
    one, two = (asked("--batches", "1=0.006,32=0.037", "--rows", rows, "--photos", "1e9").stdout for rows in "12")
    assert "5.000 + n x 1.000 ms, n at most 32" in one
    assert "761.9 photos/s" in one
    assert "381.0 photos/s" in two
    assert "nv_inference_pending_request_count averageValue 16" in one


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--throughput", "20"], "need --cores"),
        (["--batches", "8=0.01"], "two batch sizes"),
        (["--batches", "eight"], "--batches"),
        (["--within", "soon"], "--within"),
    ],
)
def test_a_wrong_option_is_one_sentence(options: list[str], sentence: str) -> None:
    done = asked(*options)
    assert done.returncode != 0
    assert sentence in done.stderr
    assert "Traceback" not in done.stderr


def test_times_and_batches_are_written_as_people_write_them() -> None:
    assert [parsed_time_s(text) for text in ("30s", "90m", "24h", "7d")] == [30, 5400, 86_400, 604_800]
    assert parsed_batches("1=0.004,32=0.02") == {1: 0.004, 32: 0.02}

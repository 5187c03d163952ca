"""The batch client and the real process: bad photos among good ones, a server that is killed and started again."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from PIL import Image

from mien import results
from tests.conftest import encoded, statue
from tests.stack import Stack, free_ports, running


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """36 pictures that are one face each, and three that are none."""
    folder = tmp_path_factory.mktemp("photos")
    for number in range(36):
        picture = Image.blend(statue(number), Image.new("RGB", statue(number).size, (7 * number, 90, 40)), 0.3)
        (folder / f"{number:02}.jpg").write_bytes(encoded(picture))
    (folder / "text.jpg").write_bytes(b"no picture at all")
    (folder / "cut.jpg").write_bytes((folder / "00.jpg").read_bytes()[:900])
    (folder / "empty.jpg").write_bytes(b"")
    return folder


def batch(photos: Path, target: Path, address: str) -> subprocess.Popen[str]:
    arguments = [str(photos), "--to", str(target), "--gateway", address, "--whole-picture", "--part", "5"]
    return subprocess.Popen(
        [sys.executable, "-m", "mien.cli", "classify", *arguments], stderr=subprocess.PIPE, text=True
    )


def finished(process: subprocess.Popen[str]) -> str:
    _, errors = process.communicate(timeout=120)
    assert process.returncode == 0, errors
    return errors


@pytest.fixture(scope="module")
def undisturbed(photos: Path, toy_stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Path:
    target = tmp_path_factory.mktemp("undisturbed") / "results.parquet"
    finished(batch(photos, target, toy_stack.address()))
    return target


def test_every_photo_has_its_row_and_bad_ones_their_code(undisturbed: Path) -> None:
    table = results.read([undisturbed]).to_pylist()
    codes = {row["image"]: row["error_code"] for row in table}
    assert len(table) == len(codes) == 39
    assert {name: code for name, code in codes.items() if code} == {
        "cut.jpg": "truncated_image",
        "empty.jpg": "missing_image",
        "text.jpg": "not_an_image",
    }


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_server_killed_and_started_again_changes_no_byte(
    photos: Path, undisturbed: Path, toy_repository: Path, tmp_path: Path, number: signal.Signals
) -> None:
    port, target = free_ports(1)[0], tmp_path / "results.parquet"
    settings = {"model_repository": toy_repository, "gateway_rpc_port": port}
    with running("all", **settings) as stack:
        process = batch(photos, target, stack.address())
        while not list(tmp_path.glob("results.parquet.parts/*.parquet")) and process.poll() is None:
            time.sleep(0.005)
        stack.process.send_signal(number)
        stack.process.wait(30)
    with running("all", **settings):
        finished(process)
    assert target.read_bytes() == undisturbed.read_bytes()

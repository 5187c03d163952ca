"""`mien classify --engine ray` on a local cluster of two workers: the streaming client's table, kills in between."""

from __future__ import annotations

import io
import subprocess
import sys
import tarfile
import threading
import time
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image
from rich.console import Console

from mien import results
from mien.batch.links import Question
from mien.batch.models import Model
from mien.batch.progress import Lines
from mien.batch.run import Order, Outcome, run
from mien.batch.sources import listing
from mien.batch.worker import Help, Worker, block_of, model_of
from tests.conftest import encoded, statue
from tests.mien.batch.conftest import Batch, command
from tests.mien.batch.fake_gateway import Gateway
from tests.stack import Stack

WITHIN_S = 400.0  # a cluster needs a while to start where cores are few and busy


@pytest.fixture
def _ray() -> None:
    pytest.importorskip("ray", reason="needs Ray: pip install 'mien[ray]'")


@pytest.fixture
def pictures(tmp_path: Path) -> list[str]:
    """A folder, a shard and a table of pictures, good and bad."""
    folder, shard, table = tmp_path / "photos", tmp_path / "shard.tar", tmp_path / "table.parquet"
    folder.mkdir()
    data = [encoded(Image.blend(statue(n), Image.new("RGB", statue(n).size, (9 * n, 90, 40)), 0.3)) for n in range(24)]
    for number, picture in enumerate(data[:12]):
        (folder / f"{number:02}.jpg").write_bytes(picture)
    (folder / "cut.jpg").write_bytes(data[0][:900])
    (folder / "empty.jpg").write_bytes(b"")
    (folder / "gone.jpg").symlink_to(tmp_path / "nowhere")
    (folder / "text.jpg").write_bytes(b"no picture at all")
    with tarfile.open(shard, "w") as archive:
        for number, picture in enumerate(data[12:18]):
            member = tarfile.TarInfo(f"{number}.jpg")
            member.size = len(picture)
            archive.addfile(member, io.BytesIO(picture))
    ids = [f"row {number}" for number in range(8)]
    rows = pa.table({"id": ids, "image": pa.array([*data[18:], b"text", None], pa.binary())})
    pq.write_table(rows, table, row_group_size=3)
    return [str(folder), str(shard), str(table)]


def clustered(target: Path, inputs: list[str], helper: Help, *, part_images: int = 5) -> Outcome | None:
    from mien.batch.cluster import Cluster, Plan

    with Cluster(Plan("", 2, part_images, helper)) as cluster:
        order = Order(target, [], part_images=part_images)
        return run(order, listing(inputs), Lines(Console(quiet=True)), threading.Event(), cluster)


@pytest.mark.usefixtures("_ray")
def test_workers_with_models_write_the_table_that_the_streaming_client_writes(
    pictures: list[str], toy_stack: Stack, toy_repository: Path, tmp_path: Path
) -> None:
    streamed, target = tmp_path / "streamed.parquet", tmp_path / "clustered.parquet"
    show = Lines(Console(quiet=True))
    run(Order(streamed, [toy_stack.address()]), listing(pictures), show, threading.Event())
    helper = Help([], 1, 60.0, {"MIEN_MODEL_REPOSITORY": str(toy_repository)})
    outcome = clustered(target, pictures, helper)
    assert outcome is not None
    assert outcome.tally.images == 16 + 6 + 8
    assert outcome.tally.errors == {
        "truncated_image": 1, "missing_image": 1, "unreadable": 2, "not_an_image": 2,
    }  # fmt: skip
    assert outcome.tally.faces > 0
    assert target.read_bytes() == streamed.read_bytes()
    assert clustered(target, pictures, helper) is None  # complete: no cluster is started for that


@pytest.mark.usefixtures("_ray")
def test_killed_and_asked_again_nothing_is_missing_and_nothing_twice(
    batch: Batch, gateway: Gateway, photos: Path, tmp_path: Path
) -> None:
    batch()
    target = tmp_path / "killed.parquet"
    gateway.asked.clear()
    gateway.delay_s = 0.05
    process = command(photos, target, gateway, "--engine", "ray", "--workers", "2")
    deadline = time.monotonic() + WITHIN_S
    while not list(tmp_path.glob("killed.parquet.parts/*.parquet")) and time.monotonic() < deadline:
        assert process.poll() is None, process.communicate()
        time.sleep(0.01)
    process.kill()
    process.communicate(timeout=60)
    kept = results.read(sorted(tmp_path.glob("killed.parquet.parts/*.parquet")))
    done = set(kept["image"].to_pylist())
    assert 0 < len(done) < 40
    gateway.asked.clear()
    gateway.delay_s = 0.0
    outcome = clustered(target, [str(photos)], Help([gateway.address], 1, 20.0, {}))
    assert outcome is not None
    assert outcome.asked == 40 - len(done)
    asked = {image for image, count in gateway.asked.items() if count}
    assert not {(photos / name).read_bytes() for name in done} & asked
    assert target.read_bytes() == (tmp_path / "results.parquet").read_bytes()


def test_what_a_worker_cannot_do_comes_back_as_a_sentence(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MIEN_MODEL_REPOSITORY", str(tmp_path / "nowhere"))
    helper, question = Help([], 1, 5.0, {}), Question("", False, Model("expression_classifier", 1))
    assert "a worker cannot load the models" in str(model_of(helper, ""))
    (row,) = Worker(helper, question)(block_of(listing([str(photos)]))).to_pylist()
    assert row["id"] is None
    assert "a worker cannot load the models" in row["refused"]


def test_a_worker_whose_gateway_is_away_says_so(photos: Path) -> None:
    helper, question = Help([Gateway().address], 1, 0.3, {}), Question("", False, Model("expression_classifier", 1))
    (row,) = Worker(helper, question)(block_of(listing([str(photos)]))).to_pylist()
    assert "no gateway has answered" in row["away"]


def test_without_ray_the_verb_says_what_to_install(photos: Path, tmp_path: Path) -> None:
    code = "import sys; sys.modules['ray'] = None; from mien.cli import main; main()"
    order = ["classify", str(photos), "--to", str(tmp_path / "results.parquet"), "--engine", "ray"]
    done = subprocess.run([sys.executable, "-c", code, *order], capture_output=True, text=True, timeout=120)
    assert done.returncode == 2
    assert "pip install 'mien[ray]'" in done.stderr
    assert "Traceback" not in done.stderr

"""The table, and what goes on with what an earlier run has left."""

from __future__ import annotations

import fcntl
import os
import threading
from collections import Counter
from pathlib import Path

import pytest

from mien import results
from mien.batch.journal import Places
from mien.batch.refusals import RefusalError, StoppedError
from tests.mien.batch.conftest import Batch, write_photos
from tests.mien.batch.fake_gateway import Gateway


def interrupt(batch: Batch, gateway: Gateway, after: int = 20, **wishes: object) -> None:
    """Run until the gateway has been asked so often."""
    stopping = threading.Event()
    gateway.meet = lambda number: stopping.set() if number == after else None
    gateway.delay_s = 0.02
    with pytest.raises(StoppedError):
        batch(stopping=stopping, **wishes)
    gateway.meet, gateway.delay_s = lambda _: None, 0.0


def test_every_photo_is_in_the_table_once_sorted_and_the_parts_are_gone(
    batch: Batch, photos: Path, tmp_path: Path
) -> None:
    outcome = batch()
    table = results.read([tmp_path / "results.parquet"])
    images = table["image"].to_pylist()
    assert list(dict.fromkeys(images)) == sorted(str(path.relative_to(photos)) for path in photos.glob("*/*.jpg"))
    keys = list(zip(images, (face or 0 for face in table["face"].to_pylist()), strict=True))
    assert keys == sorted(set(keys))
    assert outcome is not None
    assert outcome.tally.images == 40
    assert outcome.tally.faces == table["status"].to_pylist().count("ok") > 0
    assert not Places(tmp_path / "results.parquet").parts.exists()


def test_bad_photos_are_rows_with_a_code_and_change_nothing_else(batch: Batch, tmp_path: Path) -> None:
    good = write_photos(tmp_path / "hundred", 100)
    batch(good)
    before = {row["image"]: row for row in results.read([tmp_path / "results.parquet"]).to_pylist()}
    (good / "not.jpg").write_bytes(b"error not_an_image")
    (good / "hopeless.jpg").write_bytes(b"error queue_full")
    (good / "odd" / "gone.jpg").symlink_to(tmp_path / "nowhere")
    (good / "empty_later.jpg").write_bytes(b"busy once")
    outcome = batch(good, target=tmp_path / "more.parquet")
    after = {row["image"]: row for row in results.read([tmp_path / "more.parquet"]).to_pylist()}
    new = {name: after.pop(name)["error_code"] for name in set(after) - set(before)}
    assert after == before
    assert new == {
        "not.jpg": "not_an_image",
        "hopeless.jpg": "queue_full",
        "odd/gone.jpg": "unreadable",
        "empty_later.jpg": None,
    }
    assert outcome is not None
    assert outcome.tally.errors == Counter(["not_an_image", "queue_full", "unreadable"])


def test_a_photo_larger_than_any_gateway_takes_is_not_sent(batch: Batch, gateway: Gateway, photos: Path) -> None:
    with (photos / "large.jpg").open("wb") as file:
        file.truncate(32 << 20)
    outcome = batch()
    assert outcome is not None
    assert outcome.tally.errors == {"too_many_bytes": 1}
    assert gateway.asked.total() == 40


def test_the_table_does_not_depend_on_parts_connections_or_interruptions(
    batch: Batch, gateway: Gateway, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mien.batch.merge.ROWS", 16)  # several row groups, each from several parts
    batch()
    first = (tmp_path / "results.parquet").read_bytes()
    for name, wishes in {"a": {"part_images": 1}, "b": {"part_images": 100, "connections": 3}}.items():
        batch(target=tmp_path / f"{name}.parquet", **wishes)
        assert (tmp_path / f"{name}.parquet").read_bytes() == first
    gateway.asked.clear()
    interrupt(batch, gateway, target=tmp_path / "c.parquet")
    asked = gateway.asked.total()
    outcome = batch(target=tmp_path / "c.parquet")
    assert (tmp_path / "c.parquet").read_bytes() == first
    assert outcome is not None
    assert asked < 40
    assert outcome.asked < 40  # what was answered is not asked again


@pytest.mark.parametrize("kind", ["csv", "jsonl"])
def test_text_tables_hold_the_same(batch: Batch, tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mien.batch.merge.ROWS", 16)
    batch()
    batch(target=tmp_path / f"results.{kind}")
    text = results.read([tmp_path / f"results.{kind}"])
    assert text.equals(results.read([tmp_path / "results.parquet"]))
    assert sorted(path.name for path in tmp_path.glob(f"results.{kind}*")) == [
        f"results.{kind}",
        f"results.{kind}.run.json",
    ]


def test_parts_can_be_read_while_the_run_goes_on(batch: Batch, gateway: Gateway, tmp_path: Path) -> None:
    seen = []
    gateway.meet = lambda number: seen.extend(
        results.read([tmp_path / "results.parquet.parts"])["image"].to_pylist() if number == 30 else []
    )
    gateway.delay_s = 0.02
    batch()
    assert len(set(seen)) % 7 == 0
    assert seen


def test_a_complete_table_is_left_alone_and_no_gateway_is_asked(batch: Batch, gateway: Gateway) -> None:
    batch()
    gateway.stop()
    assert batch(patience_s=0.1) is None


def test_parts_that_are_kept_are_complete_too(batch: Batch, tmp_path: Path) -> None:
    batch(keep_parts=True)
    assert list((tmp_path / "results.parquet.parts").glob("*.parquet"))
    assert batch(keep_parts=True) is None
    assert batch() is None
    assert not (tmp_path / "results.parquet.parts").exists()


def test_a_kill_between_the_table_and_the_end_changes_nothing(batch: Batch, tmp_path: Path) -> None:
    batch(keep_parts=True)
    table = (tmp_path / "results.parquet").read_bytes()
    (tmp_path / "results.parquet.run.json").unlink()
    (tmp_path / "results.parquet.parts" / "000009.parquet.aside").write_bytes(b"half a part")
    outcome = batch()
    assert outcome is not None
    assert outcome.asked == 0
    assert (tmp_path / "results.parquet").read_bytes() == table


@pytest.mark.parametrize("finished", [True, False])
@pytest.mark.parametrize("kind", ["parquet", "csv"])
def test_photos_that_came_since_are_taken_too(
    batch: Batch, gateway: Gateway, photos: Path, tmp_path: Path, finished: bool, kind: str
) -> None:
    target = tmp_path / f"results.{kind}"
    batch(target=target) if finished else interrupt(batch, gateway, target=target)
    (photos / "a_new.jpg").write_bytes(b"new")
    outcome = batch(target=target)
    batch(target=tmp_path / f"at_once.{kind}")
    assert target.read_bytes() == (tmp_path / f"at_once.{kind}").read_bytes()
    assert outcome is not None
    assert outcome.tally.images == 41
    assert outcome.asked == 1 or (not finished and outcome.asked < 41)


def test_another_model_is_refused_until_restart(batch: Batch, gateway: Gateway, tmp_path: Path) -> None:
    interrupt(batch, gateway)
    gateway.version = 2
    with pytest.raises(RefusalError, match=r"was expression_classifier version 1 and is .* version 2 now.*--restart"):
        batch()
    batch(restart=True)
    assert set(results.read([tmp_path / "results.parquet"])["model_version"].to_pylist()) == {2}


def test_a_model_that_changes_under_way_stops_the_run(batch: Batch, gateway: Gateway, tmp_path: Path) -> None:
    gateway.meet = lambda number: setattr(gateway, "version", 1 + (number > 20))
    with pytest.raises(RefusalError, match="version 1 and is expression_classifier version 2 now"):
        batch()
    assert set(results.read([tmp_path / "results.parquet.parts"])["model_version"].to_pylist()) == {1}


def test_other_parameters_are_refused(batch: Batch, gateway: Gateway) -> None:
    interrupt(batch, gateway)
    with pytest.raises(RefusalError, match="--whole-picture was False before and is True now"):
        batch(whole_picture=True)
    batch()
    with pytest.raises(RefusalError, match="--model was '' before"):
        batch(model="expression_classifier")


@pytest.mark.parametrize("finished", [True, False])
def test_a_photo_that_changed_or_went_is_refused(batch: Batch, gateway: Gateway, photos: Path, finished: bool) -> None:
    batch() if finished else interrupt(batch, gateway)
    photo = photos / "even" / "000.jpg"
    status = photo.stat()
    os.utime(photo, ns=(status.st_atime_ns, status.st_mtime_ns + 1))
    with pytest.raises(RefusalError, match="have changed or are gone" if finished else r"even/000\.jpg has changed"):
        batch()
    photo.unlink()
    with pytest.raises(RefusalError, match="gone" if finished else r"even/000\.jpg .* no longer there"):
        batch()
    outcome = batch(restart=True)
    assert outcome is not None
    assert outcome.tally.images == 39


def test_a_table_of_somebody_else_is_not_overwritten(batch: Batch, tmp_path: Path) -> None:
    (tmp_path / "results.parquet").write_bytes(b"mine")
    with pytest.raises(RefusalError, match="no batch wrote it"):
        batch()
    assert (tmp_path / "results.parquet").read_bytes() == b"mine"


def test_two_runs_on_one_table_are_refused(batch: Batch, tmp_path: Path) -> None:
    folder = tmp_path / "results.parquet.parts"
    folder.mkdir()
    descriptor = os.open(folder, os.O_RDONLY)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    with pytest.raises(RefusalError, match="another run is writing"):
        batch()
    os.close(descriptor)
    assert batch() is not None


def test_a_refusal_leaves_no_folder_behind(batch: Batch, tmp_path: Path) -> None:
    with pytest.raises(RefusalError, match="has no model 'nobody'"):
        batch(model="nobody")
    assert not (tmp_path / "results.parquet.parts").exists()
    with pytest.raises(RefusalError, match="cannot write beside"):
        batch(target=tmp_path / "nowhere" / "results.parquet")

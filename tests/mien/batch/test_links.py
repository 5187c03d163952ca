"""Gateways that break, hang, come back, or share the work: no photo is lost and none is doubled."""

from __future__ import annotations

import threading
import time
from collections import Counter
from itertools import pairwise
from pathlib import Path

import pytest

from mien import results
from mien.batch.refusals import NobodyAnswersError, RefusalError
from mien.batch.sources import Photo
from mien.batch.work import Hold, Work
from mien.v1 import mien_pb2 as pb
from tests.mien.batch.conftest import Batch
from tests.mien.batch.fake_gateway import WINDOW, Gateway


def undisturbed(batch: Batch, tmp_path: Path) -> bytes:
    batch(target=tmp_path / "undisturbed.parquet")
    return (tmp_path / "undisturbed.parquet").read_bytes()


def test_a_gateway_that_dies_and_comes_back_loses_and_doubles_nothing(
    batch: Batch, gateway: Gateway, tmp_path: Path
) -> None:
    expected = undisturbed(batch, tmp_path)
    gateway.asked.clear()
    gateway.delay_s = 0.01
    restarts = []

    def restart() -> None:
        gateway.stop()
        time.sleep(0.2)
        gateway.start()

    def meet(number: int) -> None:
        if number in (7, 25):
            restarts.append(threading.Thread(target=restart))
            restarts[-1].start()

    gateway.meet = meet
    batch(connections=2, patience_s=20.0)
    for thread in restarts:
        thread.join()
    assert len(restarts) == 2
    assert (tmp_path / "results.parquet").read_bytes() == expected
    # only what was under way at a break is asked again
    assert 40 < gateway.asked.total() <= 40 + 2 * 2 * WINDOW


def test_a_service_away_behind_the_gateway_makes_no_rows_of_errors(
    batch: Batch, gateway: Gateway, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = undisturbed(batch, tmp_path)
    gateway.asked.clear()
    answer = Gateway._answer

    def sometimes(self: Gateway, request: pb.GatewayClassifyStreamRequest) -> pb.GatewayClassifyStreamResponse:
        reply = answer(self, request)
        if request.item.image == b"photo 0" and self.asked[b"photo 0"] < 6:  # more often than a busy one is asked
            reply.error.MergeFrom(pb.ItemError(code="unavailable", detail="Away.", retryable=True))
        return reply

    monkeypatch.setattr(Gateway, "_answer", sometimes)
    batch()
    assert (tmp_path / "results.parquet").read_bytes() == expected


def test_a_faster_gateway_gets_more_of_the_work(batch: Batch, gateway: Gateway, tmp_path: Path) -> None:
    expected = undisturbed(batch, tmp_path)
    gateway.asked.clear()
    gateway.delay_s = 0.01
    with Gateway(delay_s=0.1) as slow:
        batch(gateways=[gateway.address, slow.address])
    assert gateway.asked.total() + slow.asked.total() == 40
    assert gateway.asked.total() > 2 * slow.asked.total() > 0
    assert (tmp_path / "results.parquet").read_bytes() == expected


def test_where_one_gateway_is_gone_the_other_does_the_work(batch: Batch, gateway: Gateway) -> None:
    gone = Gateway().address
    outcome = batch(gateways=[gone, gateway.address])
    assert outcome is not None
    assert gateway.asked.total() == 40


def test_two_gateways_with_two_models_are_refused(batch: Batch, gateway: Gateway) -> None:
    gateway.delay_s = 0.02
    with Gateway(version=9) as other, pytest.raises(RefusalError, match="version 9"):
        batch(gateways=[gateway.address, other.address])


def test_patience_ends_and_the_run_goes_on_later(batch: Batch, gateway: Gateway, tmp_path: Path) -> None:
    expected = undisturbed(batch, tmp_path)
    gateway.asked.clear()
    gateway.delay_s = 0.01
    stops = threading.Thread(target=gateway.stop)
    gateway.meet = lambda number: stops.start() if number == 20 else None
    with pytest.raises(NobodyAnswersError, match=r"no gateway has answered for 1 s: 127\.0\.0\.1:\d+: "):
        batch(patience_s=0.6)
    stops.join()
    with pytest.raises(NobodyAnswersError):
        batch(patience_s=0.1)
    assert 0 < len(set(results.read([tmp_path / "results.parquet.parts"])["image"].to_pylist())) <= 20
    gateway.meet = lambda _: None
    gateway.start()
    batch()
    assert (tmp_path / "results.parquet").read_bytes() == expected


def test_a_gateway_that_hangs_is_left(batch: Batch, gateway: Gateway, tmp_path: Path) -> None:
    expected = undisturbed(batch, tmp_path)
    gateway.asked.clear()
    hangs = threading.Event()
    gateway.meet = lambda number: None if number != 10 else bool(hangs.wait(30)) and None
    batch(patience_s=1.0)
    hangs.set()
    assert (tmp_path / "results.parquet").read_bytes() == expected


def test_a_busy_gateway_is_asked_again_later(batch: Batch, gateway: Gateway, photos: Path, tmp_path: Path) -> None:
    for number in range(5):
        (photos / f"{number}.jpg").write_bytes(b"busy once %d" % number)
    (photos / "hopeless.jpg").write_bytes(b"error queue_full")
    outcome = batch()
    assert outcome is not None
    assert outcome.tally.errors == {"queue_full": 1}
    assert gateway.asked[b"busy once 3"] == 2
    assert gateway.asked[b"error queue_full"] == 4


def test_work_given_up_by_one_is_taken_by_another_and_never_by_both() -> None:
    """Many threads take, settle and break at random; every photo is settled once."""
    names = [f"{number:03}" for number in range(300)]
    work, settled = Work(Photo(name, name, 1, 1) for name in names), Counter[str]()

    def worker(seed: int) -> None:
        turn = seed
        while work.wait():
            hold = Hold(work)
            taken = [item for _ in range(5) if (item := hold.take())]
            turn += 1
            for key, task in taken[: turn % 6]:
                if hold.release(key):
                    settled[task.photo.id] += 1
                    work.settle()
            hold.close()
            assert hold.take() is None
            assert not any(hold.release(key) for key, _ in taken)

    threads = [threading.Thread(target=worker, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert settled == Counter(names)


def test_work_that_was_put_back_comes_first_and_in_order() -> None:
    work = Work(Photo(name, name, 1, 1) for name in "abcdef")
    hold = Hold(work)
    for _ in range(3):
        hold.take()
    hold.close()
    order = []
    while task := work.take():
        order.append(task.photo.id)
    assert all(first < second for first, second in pairwise(order))
    assert len(order) == 6

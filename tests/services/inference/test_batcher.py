"""The batcher against a fake model (`batching`)."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from itertools import chain, pairwise, repeat
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.domain import ModelVersion
from services.errors import Kind
from services.inference.backend import Batching
from services.inference.batcher import Batcher
from tests.services.inference.batching import LATE_S, Rows, bench, busy, error_of, rows_of, settled, until
from tests.services.inference.observers import Ledger


def own_rows(sizes: list[int]) -> list[Rows]:
    """Callers' rows, no two of them equal; from 1."""
    edges = np.cumsum([1, *sizes])
    return [np.arange(start, stop)[:, None] for start, stop in pairwise(edges)]


def packed(sizes: list[int], most: int) -> list[int]:
    """Batch sizes when callers stay in order, and whole where they fit."""
    batches: list[int] = []
    for size in sizes:
        for part in [most] * (size // most) + [size % most] * bool(size % most):
            if batches and batches[-1] + part <= most:
                batches[-1] += part
            else:
                batches.append(part)
    return batches


def running(test: Coroutine[Any, Any, None]) -> None:
    asyncio.run(asyncio.wait_for(test, 60))


SIZES = st.lists(st.integers(1, 20), min_size=1, max_size=24)


@settings(max_examples=150, deadline=None)
@given(SIZES, st.integers(1, 9), st.integers(1, 3), st.sampled_from([0.0, 0.002]), st.lists(st.sampled_from([0, 1, 5])))
def test_everybody_gets_exactly_their_own_rows_in_order_and_no_batch_is_too_large(
    sizes: list[int], most: int, instances: int, delay_s: float, pauses: list[int]
) -> None:
    async def test() -> None:
        async with bench(max_batch_size=most, max_queue_delay_s=delay_s, instances=instances) as made:
            callers = []
            for rows, turns in zip(own_rows(sizes), chain(pauses, repeat(0)), strict=False):
                callers.append((rows, made.ask(rows)))
                for _ in range(turns):
                    await asyncio.sleep(0)
            for rows, caller in callers:
                answer = await caller
                assert np.array_equal(answer.outputs["y"], rows * 3 + 1)
                assert answer.version == 1
            assert max(map(len, made.model.batches)) <= most
            assert sorted(made.model.seen) == list(range(1, sum(sizes) + 1))
            assert made.model.most_at_once <= instances
            assert sum(rows for rows, _ in made.ledger.batches) == sum(sizes)
            assert len(made.ledger.waits_s) == len(sizes)

    running(test())


@settings(max_examples=150, deadline=None)
@given(SIZES, st.integers(1, 9), st.data())
def test_departed_rows_neither_run_nor_fill_a_batch(sizes: list[int], most: int, data: st.DataObject) -> None:
    leaves = data.draw(st.lists(st.booleans(), min_size=len(sizes), max_size=len(sizes)))

    async def test() -> None:
        async with busy(max_batch_size=most) as made:
            callers = [(made.ask(rows), rows, leave) for rows, leave in zip(own_rows(sizes), leaves, strict=True)]
            await settled()
            for caller, _, leave in callers:
                if leave:
                    caller.cancel()
            if data.draw(st.booleans(), "the leavers have noticed"):
                await settled()
            made.model.gate.set()
            for caller, rows, leave in callers:
                if leave:
                    with pytest.raises(asyncio.CancelledError):
                        await caller
                else:
                    assert np.array_equal((await caller).outputs["y"], rows * 3 + 1)
            stayed = [rows for _, rows, leave in callers if not leave]
            assert made.model.seen[1:] == [row for rows in stayed for row in rows[:, 0]]
            assert [len(batch) for batch in made.model.batches[1:]] == packed([len(rows) for rows in stayed], most)
            assert made.ledger.drops == ({Kind.CANCELLED: sum(leaves)} if any(leaves) else {})

    running(test())


@settings(max_examples=100, deadline=None)
@given(SIZES, st.integers(1, 9), st.integers(1, 2), st.data())
def test_a_bad_item_fails_alone(sizes: list[int], most: int, instances: int, data: st.DataObject) -> None:
    bad = data.draw(st.lists(st.booleans(), min_size=len(sizes), max_size=len(sizes)))

    async def test() -> None:
        async with bench(max_batch_size=most, instances=instances) as made:
            callers = [
                (made.ask(-rows if wrong else rows), rows, wrong)
                for rows, wrong in zip(own_rows(sizes), bad, strict=True)
            ]
            for caller, rows, wrong in callers:
                if wrong:
                    error = await error_of(caller)
                    assert error.kind is Kind.UNAVAILABLE
                    assert "secret" not in str(error)
                else:
                    assert np.array_equal((await caller).outputs["y"], rows * 3 + 1)

    running(test())


async def test_a_departed_caller_is_dropped_before_inference() -> None:
    async with busy(max_batch_size=8) as made:
        departed, stays = made.ask(rows_of(1, 2)), made.ask(rows_of(3))
        await settled()
        departed.cancel()
        made.model.gate.set()
        assert (await stays).outputs["y"].tolist() == [[10]]
        assert made.model.seen == [0, 3]
        assert made.ledger.drops == {Kind.CANCELLED: 1}


async def test_a_caller_who_leaves_a_batch_joined_ahead_makes_room_for_another() -> None:
    async with busy(max_batch_size=2) as made:
        first, leaver, third = made.ask(rows_of(1)), made.ask(rows_of(2)), made.ask(rows_of(3))
        await settled()
        leaver.cancel()
        made.model.gate.set()
        await asyncio.gather(first, third)
        assert made.model.batches == [[0], [1, 3]]


async def test_while_all_instances_run_a_part_filled_batch_stays_open() -> None:
    async with busy(max_batch_size=4) as made:
        early = made.ask(rows_of(1))
        await asyncio.sleep(0.02)
        late = made.ask(rows_of(2, 3))
        await settled()
        made.model.gate.set()
        await asyncio.gather(early, late)
        assert made.model.batches == [[0], [1, 2, 3]]


async def test_a_full_queue_refuses_at_once_and_says_when_to_come_back() -> None:
    async with busy(max_batch_size=1, max_queue_size=2) as made:
        made.batcher._row_s = 0.5
        callers = [made.ask(rows_of(1)), made.ask(rows_of(2))]
        await settled()
        error = await error_of(made.ask(rows_of(4)))
        assert (error.kind, error.retry_after_s) == (Kind.QUEUE_FULL, 1.0)
        made.model.gate.set()
        await asyncio.gather(*callers)
        assert 4 not in made.model.seen
        assert made.ledger.drops == {Kind.QUEUE_FULL: 1}


async def test_a_caller_larger_than_the_queue_is_let_in_when_nobody_waits() -> None:
    async with bench(max_batch_size=2, max_queue_size=2) as made:
        answer = await made.ask(np.arange(9)[:, None])
        assert answer.outputs["y"][:, 0].tolist() == [1, 4, 7, 10, 13, 16, 19, 22, 25]
        assert [rows for rows, _ in made.ledger.batches] == [2, 2, 2, 2, 1]


async def test_a_deadline_is_kept_while_queued_and_the_rows_do_not_run() -> None:
    async with busy(max_batch_size=8) as made:
        error = await asyncio.wait_for(error_of(made.ask(rows_of(1), deadline_s=0.02)), LATE_S)
        assert error.kind is Kind.DEADLINE_EXCEEDED
        made.model.gate.set()
        await made.ask(rows_of(2))
        assert made.model.seen == [0, 2]
        assert made.ledger.drops == {Kind.DEADLINE_EXCEEDED: 1}


async def test_a_deadline_is_kept_while_the_model_runs() -> None:
    async with bench() as made:
        made.model.gate.clear()
        error = await asyncio.wait_for(error_of(made.ask(rows_of(1), deadline_s=0.05)), LATE_S)
        assert error.kind is Kind.DEADLINE_EXCEEDED


async def test_a_deadline_that_has_passed_already_never_runs() -> None:
    async with bench() as made:
        assert (await error_of(made.ask(rows_of(1), deadline_s=0))).kind is Kind.DEADLINE_EXCEEDED
        assert made.model.seen == []


async def test_a_lone_caller_waits_for_the_delay_and_no_longer() -> None:
    async with bench(max_batch_size=8, max_queue_delay_s=0.05) as made:
        answer = await made.ask(rows_of(1))
        assert 0.05 <= answer.queue_s < 0.05 + LATE_S


async def test_nobody_waits_for_the_delay_once_the_batch_is_full() -> None:
    async with bench(max_batch_size=2, max_queue_delay_s=60) as made:
        answers = await asyncio.wait_for(asyncio.gather(made.ask(rows_of(1)), made.ask(rows_of(2))), LATE_S)
        assert max(answer.queue_s for answer in answers) < LATE_S
        assert made.model.batches == [[1, 2]]


async def test_with_no_delay_those_who_are_there_share_a_batch() -> None:
    async with bench(max_batch_size=8) as made:
        await asyncio.gather(*(made.ask(rows_of(n)) for n in range(5)))
        assert made.model.batches == [[0, 1, 2, 3, 4]]


async def test_as_many_batches_run_at_once_as_there_are_instances() -> None:
    async with busy(max_batch_size=1, instances=2) as made:
        third = made.ask(rows_of(3))
        await settled()
        assert made.model.batches == [[0], [0]]
        made.model.gate.set()
        await third
        assert made.model.most_at_once == 2


async def test_images_of_different_sizes_are_not_joined() -> None:
    async with busy(max_batch_size=8) as made:
        made.model.gate.set()
        callers = [made.ask(np.ones((1, width), np.int64)) for width in (2, 2, 3, 2)]
        answers = await asyncio.gather(*callers)
        assert [answer.outputs["y"].shape for answer in answers] == [(1, 2), (1, 2), (1, 3), (1, 2)]
        assert made.ledger.drops == {}


async def test_a_model_that_loses_rows_gives_nobody_anothers() -> None:
    batcher = Batcher(ModelVersion("toy", 1), Batching(8), lambda inputs: {"y": inputs["x"][:1]}, Ledger())
    one = asyncio.create_task(batcher.submit({"x": rows_of(1)}, deadline_s=None))
    two = asyncio.create_task(batcher.submit({"x": rows_of(2, 3)}, deadline_s=None))
    assert (await one).outputs["y"].tolist() == [[1]]
    assert (await error_of(two)).kind is Kind.UNAVAILABLE
    await batcher.close()


async def test_close_finishes_what_is_queued_and_running_and_refuses_the_rest() -> None:
    async with bench(max_batch_size=2, max_queue_delay_s=60) as made:
        made.model.gate.clear()
        queued = [made.ask(rows_of(n)) for n in (1, 2, 3)]  # two run, the third waits for a fourth
        await until(lambda: made.model.batches == [[1, 2]])
        closing = asyncio.create_task(made.batcher.close())
        await settled()
        assert not made.batcher.alive()
        assert (await error_of(made.ask(rows_of(4)))).kind is Kind.NOT_READY
        assert not closing.done()
        made.model.gate.set()
        await asyncio.wait_for(closing, LATE_S)
        assert [task.result().outputs["y"].tolist() for task in queued] == [[[4]], [[7]], [[10]]]

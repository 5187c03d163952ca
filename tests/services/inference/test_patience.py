"""The batcher with patient callers: single calls go before, and nobody waits for ever."""

from __future__ import annotations

import asyncio

from services.errors import Kind
from services.lanes import MOST_PASSED
from tests.services.inference.batching import busy, error_of, rows_of, settled


async def test_rows_of_a_single_call_go_before_patient_rows_that_came_earlier() -> None:
    async with busy(max_batch_size=2) as made:
        patient = [made.ask(rows_of(n), patient=True) for n in (1, 2, 3)]
        await settled()
        single = made.ask(rows_of(9))
        await settled()
        made.model.gate.set()
        await asyncio.gather(single, *patient)
        assert made.model.batches == [[0], [9, 1], [2, 3]]


async def test_patient_rows_come_to_their_turn_however_many_single_calls_there_are() -> None:
    async with busy(max_batch_size=2) as made:
        patient = made.ask(rows_of(99), patient=True)
        await settled()
        single = [made.ask(rows_of(n, n)) for n in range(1, 20)]
        await settled()
        made.model.gate.set()
        await asyncio.gather(patient, *single)
        assert 2 <= made.model.batches.index([99]) <= 1 + MOST_PASSED


async def test_patient_rows_wait_where_the_queue_is_full_and_fill_it_for_nobody_else() -> None:
    async with busy(max_batch_size=1, max_queue_size=2) as made:
        patient = [made.ask(rows_of(n), patient=True) for n in (1, 2, 3)]
        await settled()
        single = [made.ask(rows_of(n)) for n in (4, 5)]
        await settled()
        assert (await error_of(made.ask(rows_of(6)))).kind is Kind.QUEUE_FULL
        patient.append(made.ask(rows_of(7), patient=True))
        await settled()
        made.model.gate.set()
        await asyncio.gather(*patient, *single)
        assert made.model.seen == [0, 4, 5, 1, 2, 3, 7]


async def test_patient_callers_who_leave_are_dropped_from_behind_the_others() -> None:
    async with busy(max_batch_size=8) as made:
        patient = [made.ask(rows_of(n), patient=True) for n in (1, 2)]
        single = made.ask(rows_of(3))
        await settled()
        patient[0].cancel()
        await settled()
        made.model.gate.set()
        await asyncio.gather(patient[1], single)
        assert made.model.batches == [[0], [3, 2]]

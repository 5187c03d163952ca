"""The bound on pixels that are held at the same time."""

from __future__ import annotations

import asyncio

import pytest

from services.chassis.memory import PixelBudget

MILLION = 1_000_000


async def test_no_more_than_the_budget_is_held_and_all_come_in_the_order_they_came() -> None:
    budget, held, most, order = PixelBudget(10 * MILLION), 0, 0, []

    async def hold(number: int, millions: int) -> None:
        nonlocal held, most
        async with budget.held(millions * MILLION):
            order.append(number)
            held += millions
            most = max(most, held)
            await asyncio.sleep(0.001)
            held -= millions

    sizes = [4, 9, 1, 7, 3, 10, 2, 2]
    await asyncio.gather(*(hold(number, millions) for number, millions in enumerate(sizes)))
    assert most <= 10
    assert order == list(range(len(sizes)))


async def test_a_picture_larger_than_the_budget_is_let_in_alone() -> None:
    budget = PixelBudget(5 * MILLION)
    async with asyncio.timeout(1), budget.held(40 * MILLION):
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.02), budget.held(1):
                pass


async def test_who_leaves_while_waiting_leaves_the_room_to_others() -> None:
    budget = PixelBudget(5 * MILLION)
    async with budget.held(3 * MILLION):
        waiting = asyncio.create_task(budget.held(4 * MILLION).__aenter__())
        await asyncio.sleep(0.01)
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
        async with asyncio.timeout(1), budget.held(2 * MILLION):
            pass
    async with asyncio.timeout(1), budget.held(5 * MILLION):
        pass

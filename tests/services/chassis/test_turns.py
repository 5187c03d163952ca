"""The turnstile and the threads: single calls first."""

from __future__ import annotations

import asyncio
import threading

import pytest

from services import calls
from services.chassis.threads import Spent, Threads
from services.chassis.turns import Turns


async def test_single_calls_enter_before_patient_ones_who_came_earlier() -> None:
    turns, order = Turns(1), ""

    async def enter(name: str, patient: bool) -> None:
        nonlocal order
        with calls.answering(name, 60.0, patient=patient):
            async with turns:
                order += name
                await asyncio.sleep(0)

    await asyncio.gather(enter("a", False), enter("x", True), enter("y", True), enter("b", False), enter("c", False))
    assert order == "abcxy"


async def test_no_more_are_inside_than_there_are_places_and_none_is_lost_to_those_who_leave() -> None:
    turns, inside, most = Turns(2), 0, 0

    async def enter() -> None:
        nonlocal inside, most
        async with turns:
            inside += 1
            most = max(most, inside)
            try:
                await asyncio.sleep(0)
                await asyncio.sleep(0)
            finally:
                inside -= 1

    tasks = [asyncio.create_task(enter()) for _ in range(40)]
    for turn in range(12):
        await asyncio.sleep(0)
        tasks[turn * 3].cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    assert most == 2
    for _ in range(2):  # both places are free
        await asyncio.wait_for(turns.__aenter__(), 10)


async def test_who_waits_and_who_holds_can_be_cancelled_together() -> None:
    turns = Turns(1)

    async def enter() -> None:
        async with turns:
            await asyncio.sleep(60)

    tasks = [asyncio.create_task(enter()) for _ in range(4)]
    await asyncio.sleep(0)
    for task in tasks:
        task.cancel()
    left = await asyncio.gather(*tasks, return_exceptions=True)
    assert [type(each) for each in left] == [asyncio.CancelledError] * 4
    await asyncio.wait_for(turns.__aenter__(), 10)


async def test_a_thread_takes_single_work_before_patient_work_that_came_earlier() -> None:
    threads, gate, order = Threads(1), threading.Event(), []

    async def do(name: str, patient: bool) -> None:
        with calls.answering(name, 60.0, patient=patient):
            await threads.do(lambda: order.append(name), Spent())

    holder = asyncio.create_task(threads.do(lambda: gate.wait(60), Spent()))
    waiting = [asyncio.create_task(do(name, name in "xy")) for name in "xayb"]
    await asyncio.sleep(0.01)
    waiting[1].cancel()
    await asyncio.sleep(0.01)
    gate.set()
    await asyncio.gather(holder, *waiting, return_exceptions=True)
    assert order == ["b", "x", "y"]
    threads.close()


async def test_threads_hand_an_error_on_and_drop_what_waits_when_closed() -> None:
    threads, gate = Threads(1), threading.Event()
    with pytest.raises(ZeroDivisionError):
        await threads.do(lambda: 1 / 0, Spent())
    holder = asyncio.create_task(threads.do(lambda: gate.wait(60), Spent()))
    waits = asyncio.create_task(threads.do(lambda: None, Spent()))
    await asyncio.sleep(0.05)
    closing = asyncio.create_task(asyncio.to_thread(threads.close))
    await asyncio.sleep(0.05)
    gate.set()
    await asyncio.wait_for(closing, 60)
    assert await asyncio.wait_for(holder, 60)
    with pytest.raises(asyncio.CancelledError):
        await asyncio.wait_for(waits, 60)

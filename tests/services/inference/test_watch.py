"""The watch over a server that the tests hold in their hands."""

from __future__ import annotations

import asyncio

from services.inference.watch import HUNG_S, IDLE_S, Watch


class Server:
    """Says what it is told to say; counts how often a model was probed."""

    def __init__(self, instances: int = 1) -> None:
        self.alive: bool | None = True
        self.answers: list[bool | None] = []  # the next ones; when they are used up, True
        self.probes = 0
        self.heard: list[bool] = []
        self.watch = Watch({"toy": instances}, self._alive, self._probe, lambda model, up: self.heard.append(up))

    async def _alive(self) -> bool | None:
        return self.alive

    async def _probe(self, model: str) -> bool | None:
        self.probes += 1
        return self.answers.pop(0) if self.answers else True


async def served(instances: int = 1) -> Server:
    server = Server(instances)
    assert not server.watch.up(), "nobody has looked yet"
    await server.watch.look()
    assert server.watch.up("toy")
    return server


async def test_a_server_that_is_away_takes_all_its_models_out_and_they_come_back_with_it() -> None:
    server = await served()
    server.alive = False
    await server.watch.look()
    assert not server.watch.up()
    server.alive = True
    await server.watch.look()
    assert server.watch.up()
    assert server.heard == [True, False, True]


async def test_a_server_may_be_slow_once() -> None:
    server = await served()
    server.alive = None
    await server.watch.look()
    assert server.watch.up()
    await server.watch.look()
    assert not server.watch.up()


async def test_callers_answers_make_probes_unnecessary() -> None:
    server = await served()
    for _ in range(5):
        server.watch.answered("toy")
        await server.watch.look()
    assert server.probes == 1


async def test_an_idle_model_is_asked_whether_it_lives() -> None:
    server = await served()
    server.watch._states["toy"].answered -= IDLE_S  # time passes
    server.answers = [False]
    await server.watch.look()
    assert not server.watch.up()


async def test_a_bad_item_does_not_take_a_model_out() -> None:
    server = await served()
    server.watch.doubt("toy")
    await server.watch.look()
    assert server.watch.up()
    assert server.probes == 2


async def test_a_dead_model_is_out_at_once_and_back_when_every_instance_has_answered() -> None:
    server = await served(instances=2)
    server.watch.dead("toy")
    assert not server.watch.up()
    server.answers = [True, False]  # one of two lives
    await server.watch.look()
    assert not server.watch.up()
    await server.watch.look()
    assert server.watch.up()


async def test_a_model_behind_a_long_queue_stays_unless_it_answers_nobody_for_long() -> None:
    server = await served()
    server.watch._states["toy"].answered -= IDLE_S
    server.answers = [None, None]
    await server.watch.look()
    assert server.watch.up()
    server.watch._states["toy"].answered -= HUNG_S
    await server.watch.look()
    assert not server.watch.up()


async def test_a_doubt_is_looked_at_without_waiting_for_the_next_turn() -> None:
    server = await served()
    running = asyncio.create_task(server.watch.run())
    await asyncio.sleep(0)
    for _ in range(20):
        server.watch.doubt("toy")
    async with asyncio.timeout(10):
        while server.probes < 2:  # noqa: ASYNC110 - a counter, there is no event to wait for
            await asyncio.sleep(0.01)
    running.cancel()
    assert server.probes <= 4, "a crowd's doubts are looked at together"

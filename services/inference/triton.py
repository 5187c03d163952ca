"""Models in a Triton Inference Server: Triton batches, and this sees to it that nobody waits for the dead.

What Triton serves must be what the model repository here says; labels and cards are read from the latter. A caller's
deadline goes along, so that Triton drops doomed work from its queue; patient callers get its second priority level. A
request that the server lost is asked once more. `watch` says who can answer at all: Triton itself stays "ready" while
a model of it is dead. Triton does not say how long a request queued: its statistics say which share of their time
requests queued lately, and that share of the round trip is told as `queue_s`.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from math import inf
from pathlib import Path
from types import MappingProxyType
from typing import Any, Protocol

from services import calls
from services.domain import ModelVersion
from services.errors import Kind, MienError
from services.inference.backend import Inference, ModelSpec, Tensors
from services.inference.queue import cut, join
from services.inference.repository import RepositoryError, read_repository
from services.inference.triton_client import TritonClient
from services.inference.verdicts import RefusalError, Verdict
from services.inference.watch import LOOK_EVERY_S, Watch

log = logging.getLogger(__name__)

START_S = 120.0  # how long a start waits for Triton, which loads and warms its models first
_PARTS_AT_ONCE = 2  # of one caller, for each instance: the others have a right to the queue too
_AGAIN_S = 0.1  # before a lost request is asked again
_PROBE_S = 2.0


class Observer(Protocol):
    """Is told what happens, on the event loop, for the metrics; must neither block nor raise."""

    def returned(self, model: ModelVersion, seconds: float) -> None:
        """A caller was answered after so long."""

    def retried(self, model: ModelVersion) -> None:
        """A request was lost and is asked once more."""

    def broke(self, model: ModelVersion, reason: Kind) -> None:
        """An execution failed."""

    def dropped(self, model: ModelVersion, reason: Kind) -> None:
        """A caller got no answer: QUEUE_FULL, DEADLINE_EXCEEDED, CANCELLED or UNAVAILABLE."""

    def available(self, model: ModelVersion, up: bool) -> None:
        """Whether the model can answer, from now on."""


@dataclass(slots=True)
class _Parts:
    """One caller's rows as they are asked, at most a batch each: how many have gone, and how many came back."""

    turns: asyncio.Semaphore
    in_flight: int = 0
    answered: int = 0

    async def sent(self, request: Awaitable[tuple[Tensors, int]]) -> tuple[Tensors, int]:
        """What the request comes to."""
        self.in_flight += 1
        try:
            return await request
        finally:
            self.in_flight -= 1

    def let_in(self) -> bool:
        """Whether some are in already: then the others wait for a full queue, which may be full of their own."""
        return self.in_flight + self.answered > 0


class TritonBackend:
    """A `Backend` over the entries of a model repository that a Triton at `address` (host:port of its gRPC) serves."""

    def __init__(
        self,
        address: str,
        repository: Path,
        observer: Observer,
        wanted: Callable[[str], bool] = lambda name: True,
        start_s: float = START_S,
    ) -> None:
        self._address, self._repository, self._observer, self._wanted = address, repository, observer, wanted
        self._start_s = start_s
        self._specs: dict[str, ModelSpec] = {}
        self._ready = False
        self._asking: set[asyncio.Future[Any]] = set()
        self._queueing: dict[str, tuple[int, int, float]] = {}  # ns queued and in all until now, and lately's share
        self._pace_s: dict[str, float] = {}  # what an answer took lately
        self._watching: asyncio.Task[None] | None = None
        self._client: TritonClient | None = None

    async def start(self) -> None:
        """See `Backend.start`; waits for Triton, which loads and warms the models.

        Raises:
            RepositoryError: Triton did not come, or does not serve what the model repository says.
        """
        read = await asyncio.to_thread(read_repository, self._repository)
        specs = {name: spec for name, spec in read.items() if self._wanted(name)}
        self._client = TritonClient(self._address)
        await self._arrive(self._client, specs)
        self._specs = specs
        self._pace_s = dict.fromkeys(specs, LOOK_EVERY_S)
        self._watch = Watch(
            {name: spec.batching.instances for name, spec in specs.items()}, self._alive, self._probe, self._changed
        )
        await self._watch.look()
        self._watching = asyncio.create_task(self._watch.run())
        self._ready = True

    def ready(self) -> bool:
        """See `Backend.ready`: false also while Triton is away, or a model of it cannot answer."""
        return self._ready and self._watch.up() and not (self._watching and self._watching.done())

    def specs(self) -> Mapping[str, ModelSpec]:
        """See `Backend.specs`."""
        self._check_ready()
        return MappingProxyType(self._specs)

    async def infer(self, model: str, inputs: Tensors, *, deadline_s: float | None) -> Inference:
        """See `Backend.infer`; fails at once while the model cannot answer."""
        self._check_ready()
        spec = self._specs.get(model)
        if spec is None:
            raise MienError(
                Kind.UNKNOWN_MODEL, f"The models here are: {', '.join(self._specs) or 'none'}.", field="model"
            )
        spec.check(inputs)
        left = asyncio.get_running_loop().create_future()
        self._asking.add(left)
        try:
            return await self._answer(spec, inputs, deadline_s)
        except MienError as error:
            self._observer.dropped(spec.model, error.kind)
            raise
        except asyncio.CancelledError:
            self._observer.dropped(spec.model, Kind.CANCELLED)
            raise
        finally:
            left.cancel()
            self._asking.discard(left)

    async def close(self) -> None:
        """See `Backend.close`."""
        self._ready = False
        if self._asking:
            await asyncio.wait(self._asking)
        if self._watching:
            self._watching.cancel()
            await asyncio.gather(self._watching, return_exceptions=True)
        if self._client:
            await self._client.close()
        self._specs = {}

    def _check_ready(self) -> None:
        if not self._ready:
            raise MienError(Kind.NOT_READY, "The models are not loaded; ask again later.")

    async def _answer(self, spec: ModelSpec, inputs: Tensors, deadline_s: float | None) -> Inference:
        now = asyncio.get_running_loop().time
        started = now()
        deadline = inf if deadline_s is None else started + deadline_s
        rows, most = len(next(iter(inputs.values()))), spec.batching.max_batch_size
        parts = _Parts(asyncio.Semaphore(_PARTS_AT_ONCE * spec.batching.instances))

        async def part(at: int) -> tuple[Tensors, int]:
            async with parts.turns:
                return await self._ask(spec, cut(inputs, at, at + most), deadline, parts)

        if rows <= most:
            answers = [await part(0)]
        else:
            try:
                async with asyncio.TaskGroup() as group:
                    tasks = [group.create_task(part(at)) for at in range(0, rows, most)]
            except BaseExceptionGroup as failures:
                raise failures.exceptions[0] from None
            answers = [task.result() for task in tasks]
        versions = {version for _, version in answers}
        if len(versions) > 1:  # a new one was loaded between two parts: rows of two models are no answer
            raise MienError(Kind.UNAVAILABLE, "The model was just replaced; ask again.", retry_after_s=LOOK_EVERY_S)
        seconds = now() - started
        self._pace_s[spec.name] += (seconds - self._pace_s[spec.name]) / 8
        self._observer.returned(spec.model, seconds)
        queue_s = seconds * self._queueing.get(spec.name, (0, 0, 0.0))[2]
        return Inference(join([outputs for outputs, _ in answers]), queue_s, seconds - queue_s, versions.pop())

    async def _ask(self, spec: ModelSpec, inputs: Tensors, deadline: float, parts: _Parts) -> tuple[Tensors, int]:
        """The outputs for at most a batch of rows, and the version that gave them."""
        lost = False
        while True:
            left_s = deadline - asyncio.get_running_loop().time()
            if not self._watch.up(spec.name):
                raise MienError(Kind.UNAVAILABLE, "The model cannot answer now; ask again later.", retry_after_s=1.0)
            if left_s <= 0:
                raise MienError(Kind.DEADLINE_EXCEEDED, "The answer was not ready by the deadline.")
            try:
                answer = await parts.sent(self._server().infer(spec, inputs, left_s))
            except RefusalError as refused:
                match refused.verdict:
                    case Verdict.FULL if calls.patient() or parts.let_in():
                        await asyncio.sleep(min(self._pace_s[spec.name], left_s))
                    case Verdict.GONE if not lost and left_s > _AGAIN_S:
                        lost = True
                        self._observer.retried(spec.model)
                        self._watch.doubt(spec.name)
                        await asyncio.sleep(_AGAIN_S)
                    case _:
                        raise self._failure(spec, refused) from None
            else:
                parts.answered += 1
                self._watch.answered(spec.name)
                return answer

    def _failure(self, spec: ModelSpec, refused: RefusalError) -> MienError:
        match refused.verdict:
            case Verdict.FULL:
                detail = "Too many requests are waiting; ask again later."
                return MienError(Kind.QUEUE_FULL, detail, retry_after_s=self._pace_s[spec.name])
            case Verdict.LATE:
                return MienError(Kind.DEADLINE_EXCEEDED, "The answer was not ready by the deadline.")
            case Verdict.FAILED:
                self._watch.doubt(spec.name)
            case Verdict.GONE | Verdict.DEAD:
                self._watch.dead(spec.name)
        self._observer.broke(spec.model, Kind.UNAVAILABLE)
        log.warning("triton, model %s: %s: %s", spec.name, refused.verdict.value, refused.text)
        return MienError(Kind.UNAVAILABLE, "The model failed; ask again later.")

    async def _arrive(self, client: TritonClient, specs: Mapping[str, ModelSpec]) -> None:
        """Wait until Triton serves the models, and see that they are those of the repository."""
        late = asyncio.get_running_loop().time() + self._start_s
        log.info("waiting for Triton at %s", self._address)
        while not await client.ready():
            if asyncio.get_running_loop().time() >= late:
                raise RepositoryError(
                    f"No Triton is ready at {self._address}. Start it (make triton) or set MIEN_TRITON_ADDRESS."
                )
            await asyncio.sleep(LOOK_EVERY_S)
        for spec in specs.values():
            await client.compare(spec)
            log.info("model %s version %d is served by Triton", spec.name, spec.version)

    def _server(self) -> TritonClient:
        assert self._client, "asked before its start"
        return self._client

    async def _alive(self) -> bool | None:
        alive = await self._server().alive()
        if alive:
            with suppress(RefusalError):
                self._measure(await self._server().spent())
        return alive

    def _measure(self, spent: Mapping[str, tuple[int, int]]) -> None:
        """Which share of their time requests queued since the last look."""
        for name, (queued, whole) in spent.items():
            before_queued, before_whole, share = self._queueing.get(name, (0, 0, 0.0))
            if whole != before_whole:  # less than before: Triton was started anew
                share = min(1.0, max(0.0, (queued - before_queued) / (whole - before_whole)))
            self._queueing[name] = (queued, whole, share)

    async def _probe(self, model: str) -> bool | None:
        try:
            await self._server().probe(self._specs[model], _PROBE_S)
        except RefusalError as refused:
            if refused.verdict in (Verdict.FULL, Verdict.LATE):
                return None
            log.warning("triton, model %s cannot answer: %s", model, refused.text)
            return False
        return True

    def _changed(self, model: str, up: bool) -> None:
        log.warning("triton, model %s is %s", model, "back" if up else "taken out")
        self._observer.available(self._specs[model].model, up)

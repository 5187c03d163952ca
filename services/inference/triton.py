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
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from dataclasses import replace
from math import inf
from pathlib import Path
from types import MappingProxyType
from typing import Any, Protocol

from services import calls
from services.domain import ModelVersion
from services.errors import Kind, MienError
from services.inference import triton_versions
from services.inference.backend import Holding, Inference, ModelSpec, Tensors
from services.inference.queue import cut, join
from services.inference.repository import read_repository
from services.inference.triton_client import TritonClient
from services.inference.triton_parts import Parts
from services.inference.triton_queueing import Queueing
from services.inference.triton_versions import TritonVersions
from services.inference.verdicts import RefusalError, Verdict
from services.inference.watch import LOOK_EVERY_S, Watch

log = logging.getLogger(__name__)

START_S = 120.0  # how long a start waits for Triton, which loads and warms its models first
_PARTS_AT_ONCE = 2  # of one caller, for each instance: the others have a right to the queue too
_AGAIN_S = 0.1  # before a lost request is asked again
_PROBE_S = 2.0


class Observer(triton_versions.Observer, Protocol):
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


class TritonBackend:
    """A `Backend` over the entries of a model repository that a Triton at `address` (host:port of its gRPC) serves."""

    def __init__(
        self,
        address: str,
        repository: Path,
        observer: Observer,
        wanted: Callable[[str], bool] = lambda name: True,
        start_s: float = START_S,
        check: Callable[[ModelSpec], None] = lambda spec: None,
    ) -> None:
        """`check` refuses, with a RepositoryError, a file that Triton shall not be asked to load."""
        self._address, self._repository, self._observer, self._wanted = address, repository, observer, wanted
        self._start_s, self._check = start_s, check
        self._versions: TritonVersions | None = None
        self._ready = False
        self._asking: set[asyncio.Future[Any]] = set()
        self._queueing = Queueing()
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
        await self._client.arrive(self._start_s)
        self._versions = TritonVersions(self._client, self._repository, self._observer, self._check)
        for spec in specs.values():
            await self._versions.arrive(spec)
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
        return MappingProxyType(self._loaded().specs)

    def holdings(self) -> Mapping[str, Holding]:
        """See `Backend.holdings`."""
        self._check_ready()
        loaded = self._loaded()
        return {name: replace(loaded.holding(name), up=self._watch.up(name)) for name in loaded.specs}

    async def load(self, model: str, version: int, *, beside: Collection[int] = ()) -> None:
        """See `Backend.load`; for every process that asks this Triton."""
        await self._loaded().load(model, version, beside)

    async def release(self, model: str, version: int) -> None:
        """See `Backend.release`; for every process that asks this Triton."""
        await self._loaded().release(model, version)

    async def infer(
        self, model: str, inputs: Tensors, *, deadline_s: float | None, version: int | None = None
    ) -> Inference:
        """See `Backend.infer`; fails at once while the model cannot answer."""
        self._check_ready()
        specs = self._loaded().specs
        if (spec := specs.get(model)) is None:
            raise MienError(Kind.UNKNOWN_MODEL, f"The models here are: {', '.join(specs) or 'none'}.", field="model")
        spec.check(inputs)
        left = asyncio.get_running_loop().create_future()
        self._asking.add(left)
        try:
            return await self._answer(spec, inputs, deadline_s, version)
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

    def _check_ready(self) -> None:
        if not self._ready:
            raise MienError(Kind.NOT_READY, "The models are not loaded; ask again later.")

    async def _answer(
        self, spec: ModelSpec, inputs: Tensors, deadline_s: float | None, version: int | None
    ) -> Inference:
        now = asyncio.get_running_loop().time
        started = now()
        deadline = inf if deadline_s is None else started + deadline_s
        answers = await self._parts(spec, inputs, deadline, version)
        if len({one for _, one in answers}) > 1:  # another was loaded between two parts: rows of two are no answer
            answers = await self._parts(spec, inputs, deadline, version)
        versions = {one for _, one in answers}
        if len(versions) > 1:
            raise MienError(Kind.UNAVAILABLE, "The model was just replaced; ask again.", retry_after_s=LOOK_EVERY_S)
        seconds = now() - started
        self._pace_s[spec.name] += (seconds - self._pace_s[spec.name]) / 8
        self._observer.returned(spec.model, seconds)
        queue_s = seconds * self._queueing.share(spec.name)
        return Inference(join([outputs for outputs, _ in answers]), queue_s, seconds - queue_s, versions.pop())

    async def _parts(
        self, spec: ModelSpec, inputs: Tensors, deadline: float, version: int | None
    ) -> list[tuple[Tensors, int]]:
        """At most a batch of rows each, in order, with the version that answered."""
        rows, most = len(next(iter(inputs.values()))), spec.batching.max_batch_size
        parts = Parts(asyncio.Semaphore(_PARTS_AT_ONCE * spec.batching.instances))

        async def part(at: int) -> tuple[Tensors, int]:
            async with parts.turns:
                return await self._ask(spec, cut(inputs, at, at + most), deadline, parts, version)

        if rows <= most:
            return [await part(0)]
        try:
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(part(at)) for at in range(0, rows, most)]
        except BaseExceptionGroup as failures:
            raise failures.exceptions[0] from None
        return [task.result() for task in tasks]

    async def _ask(
        self, spec: ModelSpec, inputs: Tensors, deadline: float, parts: Parts, version: int | None
    ) -> tuple[Tensors, int]:
        """The outputs for at most a batch of rows, and the version that gave them."""
        lost, named = False, self._loaded().named(spec.name, version)
        while True:
            left_s = deadline - asyncio.get_running_loop().time()
            if not self._watch.up(spec.name):
                raise MienError(Kind.UNAVAILABLE, "The model cannot answer now; ask again later.", retry_after_s=1.0)
            if left_s <= 0:
                raise MienError(Kind.DEADLINE_EXCEEDED, "The answer was not ready by the deadline.")
            try:
                answer = await parts.sent(self._server().infer(spec, inputs, left_s, named))
            except RefusalError as refused:
                match refused.verdict:
                    case Verdict.FULL if calls.patient() or parts.let_in():
                        await asyncio.sleep(min(self._pace_s[spec.name], left_s))
                    case Verdict.GONE if not lost and left_s > _AGAIN_S:
                        lost = True
                        self._observer.retried(spec.model)
                        self._watch.doubt(spec.name)
                        await asyncio.sleep(_AGAIN_S)
                    case Verdict.DEAD if named and not version and not lost:
                        lost = True  # another process may have let this version go
                        self._observer.retried(spec.model)
                        await self._alive()
                        named = self._loaded().named(spec.name, None)
                    case _:
                        raise self._failure(spec, refused, watched=not version) from None
            else:
                parts.answered += 1
                if not version:
                    self._watch.answered(spec.name)
                return answer

    def _failure(self, spec: ModelSpec, refused: RefusalError, *, watched: bool) -> MienError:
        """The watch is over those that answer: a candidate that fails takes nobody out."""
        match refused.verdict:
            case Verdict.FULL:
                detail = "Too many requests are waiting; ask again later."
                return MienError(Kind.QUEUE_FULL, detail, retry_after_s=self._pace_s[spec.name])
            case Verdict.LATE:
                return MienError(Kind.DEADLINE_EXCEEDED, "The answer was not ready by the deadline.")
            case Verdict.FAILED if watched:
                self._watch.doubt(spec.name)
            case Verdict.GONE | Verdict.DEAD if watched:
                self._watch.dead(spec.name)
        self._observer.broke(spec.model, Kind.UNAVAILABLE)
        log.warning("triton, model %s: %s: %s", spec.name, refused.verdict.value, refused.text)
        return MienError(Kind.UNAVAILABLE, "The model failed; ask again later.")

    def _server(self) -> TritonClient:
        assert self._client, "asked before its start"
        return self._client

    def _loaded(self) -> TritonVersions:
        if self._versions is None:
            self._check_ready()
        assert self._versions
        return self._versions

    async def _alive(self) -> bool | None:
        alive = await self._server().alive()
        if alive:
            with suppress(RefusalError):
                spent, versions = await self._server().spent()
                self._queueing.measure(spent)
                await self._loaded().follow(versions)
        return alive

    async def _probe(self, model: str) -> bool | None:
        try:
            await self._server().probe(self._loaded().specs[model], _PROBE_S, self._loaded().named(model, None))
        except RefusalError as refused:
            if refused.verdict in (Verdict.FULL, Verdict.LATE):
                return None
            log.warning("triton, model %s cannot answer: %s", model, refused.text)
            return False
        return True

    def _changed(self, model: str, up: bool) -> None:
        log.warning("triton, model %s is %s", model, "back" if up else "taken out")
        self._observer.available(self._loaded().specs[model].model, up)

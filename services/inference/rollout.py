"""A backend in front of another: it gives a canary its share of the calls, asks shadows, and counts by version.

A call draws once, so all its faces are answered by one version, which the answer names. Where a canary cannot answer,
the version beside it does: callers pay with time, not with an error. A candidate that is let go (`release`), or that
answers everybody (`load`), is no candidate any more.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Protocol

from services import calls
from services.domain import ModelVersion
from services.errors import Kind, MienError
from services.inference import shadows
from services.inference.backend import Backend, Holding, Inference, ModelSpec, Tensors
from services.inference.candidates import Candidates
from services.inference.repository import RepositoryError, versions_on_disk

log = logging.getLogger(__name__)


class Observer(shadows.Observer, Protocol):
    """Is told what happens, on the event loop, for the metrics; must neither block nor raise."""

    def answered(self, model: ModelVersion, inference_s: float) -> None:
        """A version answered a request."""

    def failed_by(self, model: ModelVersion, reason: Kind) -> None:
        """A request that a version was asked got no answer of it."""


class Rollout:
    """A `Backend` over `inner`, whose models are those of the model repository at `repository`."""

    def __init__(self, inner: Backend, repository: Path, candidates: Candidates, observer: Observer) -> None:
        self._inner, self._repository = inner, repository
        self.candidates, self._observer = candidates, observer
        self._shadows = shadows.Shadows(inner, observer)

    async def start(self) -> None:
        """See `Backend.start`; loads the candidates too.

        Raises:
            RepositoryError: a candidate cannot be served, or nothing is beside it.
        """
        await self._inner.start()
        for model in sorted(self.candidates.models()):
            await self._set_beside(model, self.candidates.versions(model))

    def ready(self) -> bool:
        """See `Backend.ready`."""
        return self._inner.ready()

    def specs(self) -> Mapping[str, ModelSpec]:
        """See `Backend.specs`."""
        return self._inner.specs()

    def holdings(self) -> Mapping[str, Holding]:
        """See `Backend.holdings`."""
        return self._inner.holdings()

    async def load(self, model: str, version: int, *, beside: Collection[int] = ()) -> None:
        """See `Backend.load`."""
        await self._inner.load(model, version, beside=beside)

    async def release(self, model: str, version: int) -> None:
        """See `Backend.release`."""
        await self._inner.release(model, version)

    async def infer(
        self, model: str, inputs: Tensors, *, deadline_s: float | None, version: int | None = None
    ) -> Inference:
        """See `Backend.infer`."""
        before = asyncio.get_running_loop().time()
        spec, holding = self._inner.specs().get(model), self._inner.holdings().get(model)
        if spec is None or holding is None:  # refused; a model that there is not is no label of a metric
            return await self._inner.infer(model, inputs, deadline_s=deadline_s, version=version)
        chosen = version or self._drawn(model, holding)
        try:
            answer = await self._counted(spec, inputs, deadline_s, chosen)
        except MienError as error:
            if version or chosen is None or error.kind is not Kind.UNAVAILABLE:
                raise
            spent_s = asyncio.get_running_loop().time() - before
            left_s = None if deadline_s is None else max(0.0, deadline_s - spent_s)
            answer = await self._counted(spec, inputs, left_s, None)
        shadow = self.candidates.shadows.get(model)
        if shadow in holding.beside and shadow != answer.version:
            self._shadows.ask(spec, shadow, inputs, answer)
        return answer

    async def close(self) -> None:
        """See `Backend.close`."""
        await self._shadows.close()
        await self._inner.close()

    def _drawn(self, model: str, holding: Holding) -> int | None:
        """The canary, for its share of the calls."""
        canary = self.candidates.canaries.get(model)
        drawn = canary and canary.version in holding.beside and calls.draw() < canary.share
        return canary.version if canary and drawn else None

    async def _counted(
        self, spec: ModelSpec, inputs: Tensors, deadline_s: float | None, version: int | None
    ) -> Inference:
        asked = ModelVersion(spec.name, version or spec.version)
        try:
            answer = await self._inner.infer(spec.name, inputs, deadline_s=deadline_s, version=version)
        except MienError as error:
            self._observer.failed_by(asked, error.kind)
            raise
        except asyncio.CancelledError:
            self._observer.failed_by(asked, Kind.CANCELLED)
            raise
        self._observer.answered(ModelVersion(spec.name, answer.version), answer.inference_s)
        return answer

    async def _set_beside(self, model: str, versions: set[int]) -> None:
        if model not in self._inner.specs():
            if not versions_on_disk(self._repository, model):
                raise RepositoryError(f"{model} is to have a canary or shadow, but the model repository has none.")
            return  # another process serves it
        answering = self._inner.specs()[model].version
        if model in self.candidates.shadows and not shadows.comparable(self._inner.specs()[model]):
            raise RepositoryError(f"{model} cannot have a shadow: its answers are no probabilities of labels.")
        if answering in versions:
            others = [one for one in versions_on_disk(self._repository, model) if one not in versions]
            if not others:
                raise RepositoryError(
                    f"{model} has no version besides {answering}, which is its canary or shadow. "
                    "Put the version that shall answer into the model repository."
                )
            answering = others[-1]
        await self._inner.load(model, answering, beside=versions)
        log.info("model %s: version %d answers, on trial: %s", model, answering, sorted(versions))

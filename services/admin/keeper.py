"""The life cycle of a process's models: which versions there are, which answers; load one, or let one go.

One change at a time. A version that cannot be served changes nothing: what answered goes on, and the sentence says why.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from services.errors import Kind, MienError
from services.inference.backend import Holding, ModelSpec
from services.inference.candidates import Canary
from services.inference.repository import RepositoryError, versions_on_disk
from services.inference.rollout import Rollout

log = logging.getLogger(__name__)


class State(StrEnum):
    """Of a model, as a whole."""

    READY = "ready"
    LOADING = "loading"
    UNAVAILABLE = "unavailable"


@dataclass(frozen=True, slots=True)
class Kept:
    """A model as it is now.

    Attributes:
        on_disk: versions in the model repository, ascending; a version that answers may be gone from there.
        loaded: those that can answer; answering: the one that does.
        canary, shadow: those of the settings that are on trial now.
        card: that of the version that answers.
    """

    name: str
    state: State
    on_disk: tuple[int, ...]
    loaded: tuple[int, ...]
    answering: int
    canary: Canary | None
    shadow: int | None
    card: Mapping[str, object]


class ModelKeeper:
    """Keeps the models of `rollout`, whose versions lie in the folder `repository`."""

    def __init__(self, rollout: Rollout, repository: Path) -> None:
        self._rollout, self._repository = rollout, repository
        self._changing = asyncio.Lock()
        self._loading = ""

    def models(self) -> tuple[Kept, ...]:
        """All of them, by name.

        Raises:
            MienError: NOT_READY.
        """
        holdings = self._rollout.holdings()
        return tuple(self._kept(spec, holdings[name]) for name, spec in sorted(self._rollout.specs().items()))

    async def load(self, name: str, version: int | None) -> Kept:
        """Read a version from disk and have it answer; None: the newest. Candidates stay loaded beside it.

        Raises:
            MienError: UNKNOWN_MODEL, MODEL_REFUSED (nothing has changed), NOT_READY.
        """
        async with self._changing:
            holding = self._holding(name)
            version = version or self._newest(name)
            self._loading = name
            try:
                await self._rollout.load(name, version, beside=holding.beside - {version})
            except RepositoryError as error:
                log.warning("model %s version %d was not loaded: %s", name, version, error)
                raise MienError(
                    Kind.MODEL_REFUSED, f"{error} Version {holding.answering} goes on answering.", field="version"
                ) from None
            finally:
                self._loading = ""
            log.info("model %s: version %d answers, before it %d", name, version, holding.answering)
        return self._one(name)

    async def unload(self, name: str, version: int) -> Kept:
        """Let a version go that is loaded beside the one that answers: it is no candidate any more.

        Raises:
            MienError: UNKNOWN_MODEL, MODEL_REFUSED (it answers, it is not loaded), NOT_READY.
        """
        async with self._changing:
            holding = self._holding(name)
            if version == holding.answering:
                raise MienError(
                    Kind.MODEL_REFUSED,
                    f"Version {version} answers callers. Load another version: then this one is let go.",
                    field="version",
                )
            if version not in holding.beside:
                raise MienError(Kind.MODEL_REFUSED, f"Version {version} is not loaded.", field="version")
            try:
                await self._rollout.release(name, version)
            except RepositoryError as error:
                raise MienError(Kind.MODEL_REFUSED, str(error), field="version") from None
        return self._one(name)

    def _holding(self, name: str) -> Holding:
        holdings = self._rollout.holdings()
        if name not in holdings:
            raise MienError(
                Kind.UNKNOWN_MODEL, f"The models here are: {', '.join(sorted(holdings)) or 'none'}.", field="name"
            )
        return holdings[name]

    def _newest(self, name: str) -> int:
        on_disk = versions_on_disk(self._repository, name)
        if not on_disk:
            raise MienError(Kind.MODEL_REFUSED, f"{name} has no version on disk.", field="version")
        return on_disk[-1]

    def _one(self, name: str) -> Kept:
        return self._kept(self._rollout.specs()[name], self._rollout.holdings()[name])

    def _kept(self, spec: ModelSpec, holding: Holding) -> Kept:
        name = spec.name
        canary, shadow = (
            self._rollout.candidates.canaries.get(name),
            self._rollout.candidates.shadows.get(name),
        )
        state = State.READY if holding.up else State.UNAVAILABLE
        return Kept(
            name,
            State.LOADING if self._loading == name else state,
            versions_on_disk(self._repository, name),
            tuple(sorted({holding.answering, *holding.beside})),
            holding.answering,
            canary if canary and canary.version in holding.beside else None,
            shadow if shadow in holding.beside else None,
            spec.card,
        )

"""Which versions a Triton serves, and how that is changed: by its repository API, with a version policy in the place of
the one in config.pbtxt. Needs a Triton started with `--model-control-mode explicit`.

What Triton serves is the truth, for several processes share it: whoever changes it changes it for all, and each finds
that out by looking. Without a version beside the one that answers, none is named to Triton: then it changes over
without a gap. With one, the version is named, and both the old and the new are loaded before anybody is sent to the
new.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Protocol

from services.domain import ModelVersion
from services.inference.backend import Holding, ModelSpec
from services.inference.repository import RepositoryError, read_version, versions_on_disk
from services.inference.triton_client import TritonClient
from services.inference.verdicts import RefusalError

log = logging.getLogger(__name__)

_PROBE_S = 30.0


class Observer(Protocol):
    """Is told on the event loop; must neither block nor raise."""

    def serves(self, model: ModelVersion, serving: bool) -> None:
        """A version is loaded from now on, or no more."""


class TritonVersions:
    """The models of one Triton, as it serves them and as the repository here describes them."""

    def __init__(
        self, client: TritonClient, repository: Path, observer: Observer, check: Callable[[ModelSpec], None]
    ) -> None:
        """`check` refuses, with a RepositoryError, a file that cannot be served; it may block."""
        self._client, self._repository, self._observer, self._check = client, repository, observer, check
        self._changing = asyncio.Lock()
        self._holdings: dict[str, Holding] = {}
        self._changing_over: set[str] = set()  # models whose version is named although none is beside it
        self.specs: dict[str, ModelSpec] = {}

    async def arrive(self, spec: ModelSpec) -> None:
        """Take a model in as Triton serves it: in the version of `spec`, or else the newest that both have.

        Raises:
            RepositoryError: Triton serves something else.
        """
        served = await self._client.versions(spec.name)
        both = served & set(versions_on_disk(self._repository, spec.name))
        if spec.version not in served and both:
            spec = await asyncio.to_thread(read_version, self._repository, spec.name, max(both))
        await self._client.compare(spec)
        self._set(spec, frozenset())
        log.info("model %s version %d is served by Triton", spec.name, spec.version)

    def holding(self, model: str) -> Holding:
        """What is loaded of one of `specs`."""
        return self._holdings[model]

    def named(self, model: str, version: int | None) -> int | None:
        """The version that Triton is told; None: whichever it serves."""
        return version or (self._holdings[model].answering if self._names(model) else None)

    async def load(self, model: str, version: int, beside: Collection[int]) -> None:
        """See `Backend.load`."""
        async with self._changing:
            holding, wanted = self._holdings[model], {version, *beside}
            held = {holding.answering, *holding.beside}
            specs = {}
            for one in sorted(wanted):
                specs[one] = await asyncio.to_thread(read_version, self._repository, model, one)
                if not self.specs[model].promises(specs[one]):
                    raise RepositoryError(
                        f"{model}/config.pbtxt has other tensors or labels than what answers now; restart to serve it."
                    )
            # there at Triton's start already, by the policy in config.pbtxt: also a Triton that takes no orders will do
            there = held < wanted and wanted <= await self._client.versions(model)
            if not there:
                for one in wanted - held | {version}:
                    await asyncio.to_thread(self._check, specs[one])
                if holding.beside or beside:
                    self._changing_over.add(model)
                    await self._add(specs[version], held, held | wanted)
                else:
                    await self._client.load(model, wanted)
            self._set(specs[version], frozenset(wanted - {version}))
            if model in self._changing_over:
                if held - wanted:
                    await self._client.load(model, wanted)
                self._changing_over.discard(model)

    async def release(self, model: str, version: int) -> None:
        """See `Backend.release`."""
        async with self._changing:
            holding = self._holdings[model]
            rest = holding.beside - {version}
            self._changing_over.add(model)  # without a name Triton would send everybody to the newest
            self._set(self.specs[model], rest)  # from here on nobody is sent to the one that goes
            try:
                await self._client.load(model, {holding.answering, *rest})
            except RepositoryError:
                self._set(self.specs[model], holding.beside)
                raise
            finally:
                self._changing_over.discard(model)

    async def follow(self, served: Mapping[str, Collection[int]]) -> None:
        """Find out what others have changed: `served` are the versions that Triton has now, by model."""
        if self._changing.locked():
            return
        for model, spec in list(self.specs.items()):
            beside = self._holdings[model].beside & set(served.get(model, ()))
            answering = set(served.get(model, ())) - beside
            if not answering or (beside == self._holdings[model].beside and self._stays(model, answering)):
                continue
            try:
                now = await asyncio.to_thread(read_version, self._repository, model, max(answering))
            except RepositoryError:
                continue  # not in the repository here: its answers say their version, and there is no card
            if spec.promises(now) and not self._changing.locked():
                self._set(now, beside)

    def _stays(self, model: str, answering: set[int]) -> bool:
        """Whether callers still come to the version that answered: by its name it may be any, else it is the newest."""
        before = self._holdings[model].answering
        return before in answering if self._names(model) else before == max(answering)

    def _names(self, model: str) -> bool:
        return bool(self._holdings[model].beside) or model in self._changing_over

    async def _add(self, spec: ModelSpec, held: set[int], wanted: set[int]) -> None:
        """Load versions beside those that are, and see that the one of `spec` answers; or else all is as before."""
        try:
            await self._client.load(spec.name, wanted)
            await self._client.probe(spec, _PROBE_S, spec.version)
        except RepositoryError:
            self._changing_over.discard(spec.name)
            raise
        except RefusalError as refused:
            log.warning("triton, model %s version %d: %s", spec.name, spec.version, refused.text)
            await self._client.load(spec.name, held)
            self._changing_over.discard(spec.name)
            raise RepositoryError(f"{spec.name} version {spec.version} was loaded, but gives no answer.") from None

    def _set(self, spec: ModelSpec, beside: frozenset[int]) -> None:
        before = self._holdings.get(spec.name)
        old = {before.answering, *before.beside} if before else set()
        new = {spec.version, *beside}
        self.specs[spec.name], self._holdings[spec.name] = spec, Holding(spec.version, beside)
        for versions, serving in ((new - old, True), (old - new, False)):
            for version in versions:
                self._observer.serves(ModelVersion(spec.name, version), serving)

"""A `Backend` whose inferences stand in traces: a span named by the model, and in it `queue` and `infer`.

Wraps any backend where the process traces; else nobody makes one. Triton does not say how long a request queued, and an
estimate (see `triton`) is no span: there it is a value of the model's span, and Triton tells the rest by itself.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping

from services import spans
from services.inference.backend import Backend, Holding, Inference, ModelSpec, Tensors


class TracedBackend:
    """The backend within, with spans."""

    def __init__(self, within: Backend, *, estimates: bool) -> None:
        """`estimates`: the backend within only estimates how long a request queued."""
        self._within, self._estimates = within, estimates

    async def start(self) -> None:
        """See `Backend.start`."""
        await self._within.start()

    def ready(self) -> bool:
        """See `Backend.ready`."""
        return self._within.ready()

    def specs(self) -> Mapping[str, ModelSpec]:
        """See `Backend.specs`."""
        return self._within.specs()

    def holdings(self) -> Mapping[str, Holding]:
        """See `Backend.holdings`."""
        return self._within.holdings()

    async def load(self, model: str, version: int, *, beside: Collection[int] = ()) -> None:
        """See `Backend.load`."""
        await self._within.load(model, version, beside=beside)

    async def release(self, model: str, version: int) -> None:
        """See `Backend.release`."""
        await self._within.release(model, version)

    async def infer(
        self, model: str, inputs: Tensors, *, deadline_s: float | None, version: int | None = None
    ) -> Inference:
        """See `Backend.infer`."""
        name = model if model in self._within.specs() else "model"  # a caller's word is no name of a span
        with spans.span(name, {"rows": max((len(rows) for rows in inputs.values() if rows.ndim), default=0)}) as span:
            began_s = time.perf_counter()
            answer = await self._within.infer(model, inputs, deadline_s=deadline_s, version=version)
            span.note({"version": answer.version})
            if self._estimates:
                span.note({"queue_estimate_s": answer.queue_s})
            else:
                ran_s = began_s + answer.queue_s
                spans.past("queue", began_s, ran_s, {"model": model})
                spans.past("infer", ran_s, ran_s + answer.inference_s, {"model": model, "version": answer.version})
        return answer

    async def close(self) -> None:
        """See `Backend.close`."""
        await self._within.close()

"""Shadows: a version that is asked what callers asked, after they were answered, and compared with what they got.

Its answers go nowhere but into metrics. It is patient, and few are in work at once: one more is dropped, so that a
shadow that is slower than its model takes no more than its share of the machine, and of memory.
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from services import calls
from services.domain import ModelVersion
from services.errors import MienError
from services.inference.backend import Backend, Inference, ModelSpec, Tensors

log = logging.getLogger(__name__)

MOST_AT_ONCE = 2  # of each model
WITHIN_S = 30.0


class Outcome(StrEnum):
    """What became of a call's shadow; `agreed`: every row has the same top label."""

    AGREED = "agreed"
    DIFFERED = "differed"
    FAILED = "failed"
    DROPPED = "dropped"


class Observer(Protocol):
    """Is told on the event loop; must neither block nor raise."""

    def shadowed(self, model: ModelVersion, outcome: str, distance: float | None) -> None:
        """A call's shadow came to this; `distance` is the largest difference of a probability, where there are two."""


@dataclass(slots=True)
class Shadows:
    """Asks shadows of a backend; make it inside a running event loop."""

    backend: Backend
    observer: Observer
    asking: dict[asyncio.Task[None], str] = field(default_factory=dict)

    def ask(self, spec: ModelSpec, version: int, inputs: Tensors, answer: Inference) -> None:
        """Ask this version later what `answer` answered, unless enough are asked already."""
        if list(self.asking.values()).count(spec.name) >= MOST_AT_ONCE:
            self.observer.shadowed(ModelVersion(spec.name, version), Outcome.DROPPED, None)
            return
        task = asyncio.create_task(self._compare(spec, version, inputs, answer))
        self.asking[task] = spec.name
        task.add_done_callback(lambda done: self.asking.pop(done, None))

    async def close(self) -> None:
        """Give up all that is asked."""
        tasks = list(self.asking)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _compare(self, spec: ModelSpec, version: int, inputs: Tensors, answer: Inference) -> None:
        shadow = ModelVersion(spec.name, version)
        try:
            with calls.answering(calls.new_id(calls.request_id()), WITHIN_S, patient=True):
                other = await self.backend.infer(spec.name, inputs, deadline_s=WITHIN_S, version=version)
            outcome, distance = compared(answer.outputs[spec.outputs[0].name], other.outputs[spec.outputs[0].name])
        except MienError:
            self.observer.shadowed(shadow, Outcome.FAILED, None)
        except Exception:
            log.exception("shadow of model %s, version %d", spec.name, version)
            self.observer.shadowed(shadow, Outcome.FAILED, None)
        else:
            self.observer.shadowed(shadow, outcome, distance)


def comparable(spec: ModelSpec) -> bool:
    """Whether a model's answers are probabilities of labels, which is what can be compared."""
    return bool(spec.labels) and spec.outputs[0].dims == (len(spec.labels),)


def compared(one: NDArray[np.floating], other: NDArray[np.floating]) -> tuple[Outcome, float | None]:
    """`[n, labels]` each."""
    if not np.isfinite(other).all():
        return Outcome.FAILED, None
    same = bool((one.argmax(1) == other.argmax(1)).all())
    return Outcome.AGREED if same else Outcome.DIFFERED, float(np.abs(one - other).max())

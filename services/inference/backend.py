"""What runs the models: the port that services hold, and the values that pass through it.

Two things satisfy `Backend`: the models in this process (`embedded`), and a Triton server. Services see names, rows and
errors of `services.errors`, never a framework. Axis 0 of every tensor is rows: faces, crops, photos. Rows are
independent of each other, so a backend may join the rows of strangers into one batch.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from services.domain import ModelVersion
from services.errors import Kind, MienError

Tensors = Mapping[str, NDArray[Any]]


@dataclass(frozen=True, slots=True)
class Tensor:
    """An input or output of a model: `[rows, *dims]`; a dim of -1 is any size."""

    name: str
    dtype: np.dtype[Any]
    dims: tuple[int, ...]

    def __str__(self) -> str:
        return f"{self.name} [{', '.join(['n', *('any' if dim < 0 else str(dim) for dim in self.dims)])}] {self.dtype}"

    def fits(self, dtype: np.dtype[Any], dims: tuple[int, ...]) -> bool:
        """Whether a tensor of this dtype and these sizes (without the rows) may stand here."""
        return (
            dtype == self.dtype
            and len(dims) == len(self.dims)
            and all(want in (-1, got) for want, got in zip(self.dims, dims, strict=True))
        )


@dataclass(frozen=True, slots=True)
class Batching:
    """How rows of many callers are joined.

    Attributes:
        max_batch_size: rows, at least 1.
        max_queue_delay_s: how long the first row waits for others; 0: takes who is there already, waits for nobody.
        max_queue_size: requests of single calls that may wait, 0: no bound; a caller with more rows than a batch counts
            once per batch. Those of patient calls are bounded where they come from.
        instances: batches that run at the same time.
    """

    max_batch_size: int = 1
    max_queue_delay_s: float = 0.0
    max_queue_size: int = 0
    instances: int = 1


@dataclass(frozen=True, slots=True)
class ModelSpec:
    """One entry of the model repository, as its config.pbtxt says.

    Attributes:
        versions: those that its version policy serves, ascending; the last one answers.
        path: the last version's model file.
        labels: what the columns of the answer mean; empty where the entry names none.
        intra_op_threads: threads within an operator, 0: all cores; inter_op_threads: operators at the same time.
        cpu_only: whether its instances must stay on the CPU even where there is a GPU.
        warmup_batch_sizes: rows of the batches to run before the first caller comes.
        card: the last version's card.json, empty without one.
    """

    name: str
    versions: tuple[int, ...]
    path: Path
    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]
    batching: Batching = Batching()
    labels: tuple[str, ...] = ()
    intra_op_threads: int = 0
    inter_op_threads: int = 0
    cpu_only: bool = False
    warmup_batch_sizes: tuple[int, ...] = ()
    card: Mapping[str, object] = field(default_factory=dict)

    @property
    def version(self) -> int:
        """The one that answers."""
        return self.versions[-1]

    @property
    def model(self) -> ModelVersion:
        """The name and the version that answers."""
        return ModelVersion(self.name, self.version)

    def promises(self, other: ModelSpec) -> bool:
        """Whether callers may be answered by the other instead: the same tensors and labels."""
        return (self.inputs, self.outputs, self.labels) == (other.inputs, other.outputs, other.labels)

    def check(self, inputs: Tensors) -> None:
        """Refuse inputs that the model does not take.

        Raises:
            MienError: BAD_PARAMETER, with the tensor's name as its field.
        """
        if inputs.keys() != {tensor.name for tensor in self.inputs}:
            raise MienError(Kind.BAD_PARAMETER, f"{self.name} takes {', '.join(map(str, self.inputs))}.")
        for tensor in self.inputs:
            array = inputs[tensor.name]
            if not (array.ndim and tensor.fits(array.dtype, array.shape[1:])):
                raise MienError(Kind.BAD_PARAMETER, f"{self.name} takes {tensor}.", field=tensor.name)
        rows = {len(array) for array in inputs.values()}
        if len(rows) != 1 or 0 in rows:
            raise MienError(Kind.BAD_PARAMETER, f"{self.name} takes at least one row, and as many of each input.")


@dataclass(frozen=True, slots=True)
class Inference:
    """An answer of a model's `version`: `outputs` by name, `[n, *dims]` for n rows asked, in their order; read-only.

    `queue_s` is the wait until the first batch with these rows ran, `inference_s` the time from there to the end of the
    last one.
    """

    outputs: Tensors
    queue_s: float
    inference_s: float
    version: int


@dataclass(frozen=True, slots=True)
class Holding:
    """Which versions of a model are loaded: one answers, those beside it answer who asks for them by number.

    Attributes:
        up: whether the model can answer now.
    """

    answering: int
    beside: frozenset[int] = frozenset()
    up: bool = True


class Backend(Protocol):
    """Runs models by name."""

    async def start(self) -> None:
        """Load every model and run it once per warm-up size; return when all can answer.

        Raises:
            RepositoryError: the model repository is wrong (see `repository`); nothing is served.
        """

    def ready(self) -> bool:
        """Whether callers can be answered: started, not closing, nothing broken."""

    def specs(self) -> Mapping[str, ModelSpec]:
        """The models by name, as they are in the version that answers.

        Raises:
            MienError: NOT_READY (starting or closing): that there is no such model, nobody can say yet.
        """

    def holdings(self) -> Mapping[str, Holding]:
        """Which versions are loaded, by the model's name.

        Raises:
            MienError: NOT_READY.
        """

    async def load(self, model: str, version: int, *, beside: Collection[int] = ()) -> None:
        """Read a version from disk, warm it up, and have it answer from then on; no call fails meanwhile.

        Args:
            model: one of `specs`.
            beside: versions that stay loaded, or are, without answering who names none. What is neither finishes what
                it runs, and is let go.

        Raises:
            RepositoryError: a version cannot be served; all is as before. The sentence has no path.
            MienError: NOT_READY.
        """

    async def release(self, model: str, version: int) -> None:
        """Let a version go that is loaded beside the one that answers; it finishes what it runs.

        Raises:
            RepositoryError: it could not be done; the sentence says why.
            MienError: NOT_READY.
        """

    async def infer(
        self, model: str, inputs: Tensors, *, deadline_s: float | None, version: int | None = None
    ) -> Inference:
        """Run rows through a model, batched with those of other callers; cancel the task to give up.

        Rows of a patient call (`services.calls`) let others go before and are never refused as QUEUE_FULL.

        Args:
            inputs: by name, each `[n, *dims]`, n ≥ 1; more rows than fit a batch are split and joined again.
            deadline_s: seconds from now within which the answer is wanted; None: whenever.
            version: one that is loaded; None: the one that answers.

        Raises:
            MienError: UNKNOWN_MODEL, BAD_PARAMETER, QUEUE_FULL (with `retry_after_s`), DEADLINE_EXCEEDED,
                UNAVAILABLE (the model failed), NOT_READY (starting or closing).
        """

    async def close(self) -> None:
        """Refuse new work, finish what is queued and running, and let the models go."""

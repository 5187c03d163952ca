"""Models in this process: onnxruntime, with our batcher before each model. The default backend: laptop, CI, edge.

Batching, threads and warm-up come from the entry's config.pbtxt, so a model behaves here as it does in Triton. All
instances of a model share one session, hence its weights: onnxruntime allows `run` from several threads, and with
one intra-op thread each runs on its caller's.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import onnxruntime

from services import calls
from services.errors import Kind, MienError
from services.inference.backend import Inference, ModelSpec, Tensor, Tensors
from services.inference.batcher import Batcher, Observer, Run
from services.inference.repository import RepositoryError, read_repository

log = logging.getLogger(__name__)

_CUDA = ("CUDAExecutionProvider", {"arena_extend_strategy": "kSameAsRequested", "cudnn_conv_algo_search": "HEURISTIC"})
_ELEMENTS = {"float": "float32", "double": "float64"}  # onnxruntime's words that are not numpy's


@dataclass(frozen=True, slots=True)
class _Served:
    spec: ModelSpec
    batcher: Batcher


class EmbeddedBackend:
    """A `Backend` over the entries of a model repository folder, or over those of them that are `wanted` by name."""

    def __init__(self, repository: Path, observer: Observer, wanted: Callable[[str], bool] = lambda name: True) -> None:
        self._repository, self._observer, self._wanted = repository, observer, wanted
        self._served: dict[str, _Served] = {}
        self._ready = False

    async def start(self) -> None:
        """See `Backend.start`; the event loop stays free meanwhile."""
        read = await asyncio.to_thread(read_repository, self._repository)
        specs = {name: spec for name, spec in read.items() if self._wanted(name)}
        runs: dict[str, Run] = {}
        for name, spec in specs.items():
            started = time.perf_counter()
            runs[name] = await asyncio.to_thread(_load, spec)
            self._observer.loaded(spec.model, time.perf_counter() - started)
        for name, spec in specs.items():
            self._served[name] = _Served(spec, Batcher(spec.model, spec.batching, runs[name], self._observer))
        self._ready = True

    def ready(self) -> bool:
        """See `Backend.ready`."""
        return self._ready and all(served.batcher.alive() for served in self._served.values())

    def specs(self) -> Mapping[str, ModelSpec]:
        """See `Backend.specs`."""
        self._check_ready()
        return MappingProxyType({name: served.spec for name, served in self._served.items()})

    async def infer(self, model: str, inputs: Tensors, *, deadline_s: float | None) -> Inference:
        """See `Backend.infer`."""
        self._check_ready()
        served = self._served.get(model)
        if served is None:
            raise MienError(
                Kind.UNKNOWN_MODEL, f"The models here are: {', '.join(self._served) or 'none'}.", field="model"
            )
        served.spec.check(inputs)
        return await served.batcher.submit(inputs, deadline_s=deadline_s, patient=calls.patient())

    async def close(self) -> None:
        """See `Backend.close`."""
        self._ready = False
        await asyncio.gather(*(served.batcher.close() for served in self._served.values()))
        self._served.clear()

    def _check_ready(self) -> None:
        if not self._ready:
            raise MienError(Kind.NOT_READY, "The models are not loaded; ask again later.")


def _load(spec: ModelSpec) -> Run:
    """A session that was checked against its config and run once per warm-up size."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = spec.intra_op_threads
    options.inter_op_num_threads = spec.inter_op_threads
    # waiting threads that spin take the cores from decoding, and from the other instances
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.add_session_config_entry("session.inter_op.allow_spinning", "0")
    # a memory pattern per batch size would hold a block for each; without, the arena's peak is that of a full batch
    options.enable_mem_pattern = False
    gpu = not spec.cpu_only and _CUDA[0] in onnxruntime.get_available_providers()
    try:
        session = onnxruntime.InferenceSession(
            spec.path, options, providers=[_CUDA, "CPUExecutionProvider"] if gpu else ["CPUExecutionProvider"]
        )
    except Exception as error:
        raise RepositoryError(f"{spec.name}: onnxruntime cannot load {spec.path.name}: {_first_line(error)}") from error
    _compare(spec, "input", spec.inputs, session.get_inputs())
    _compare(spec, "output", spec.outputs, session.get_outputs())

    names = [output.name for output in spec.outputs]

    def run(inputs: Tensors) -> Tensors:
        return dict(zip(names, session.run(names, dict(inputs)), strict=True))

    for rows in spec.warmup_batch_sizes:
        try:
            run({one.name: np.zeros((rows, *(max(1, dim) for dim in one.dims)), one.dtype) for one in spec.inputs})
        except Exception as error:
            raise RepositoryError(f"{spec.name} fails on its warm-up with {rows} rows: {_first_line(error)}") from error
    log.info("model %s version %d loaded, on %s", spec.name, spec.version, session.get_providers()[0])
    return run


def _compare(spec: ModelSpec, role: str, told: tuple[Tensor, ...], graph: list[Any]) -> None:
    """Refuse a graph that is not what config.pbtxt says, or that cannot take any number of rows."""
    nodes = {node.name: node for node in graph}
    # an output that nobody asks for may stay unnamed; an input may not
    if not nodes.keys() >= {tensor.name for tensor in told} or (role == "input" and len(nodes) != len(told)):
        raise RepositoryError(
            f"{spec.name}: config.pbtxt has the {role}s {[tensor.name for tensor in told]}, "
            f"{spec.path.name} has {list(nodes)}."
        )
    for tensor in told:
        node = nodes[tensor.name]
        element = node.type.removeprefix("tensor(").removesuffix(")")
        if not node.shape or isinstance(node.shape[0], int):
            raise RepositoryError(
                f"{spec.name}: the first axis of {role} {tensor.name!r} must be dynamic: it is the batch."
            )
        # a name or None there: the graph takes any size, so it takes the one that config.pbtxt says
        sizes, dims = node.shape[1:], tensor.dims
        if (
            _ELEMENTS.get(element, element) != tensor.dtype.name
            or len(sizes) != len(dims)
            or any(isinstance(size, int) and size != dim for size, dim in zip(sizes, dims, strict=True))
        ):
            raise RepositoryError(
                f"{spec.name}: config.pbtxt says {role} {tensor}, {spec.path.name} has {list(node.shape)} {element}."
            )


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0]

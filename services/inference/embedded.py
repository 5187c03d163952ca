"""Models in this process: onnxruntime, with our batcher before each model. The default backend: laptop, CI, edge.

Batching, threads and warm-up come from the entry's config.pbtxt, so a model behaves here as it does in Triton. All
instances of a model share one session, hence its weights: onnxruntime allows `run` from several threads, and with
one intra-op thread each runs on its caller's.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import onnxruntime

from services import calls
from services.errors import Kind, MienError
from services.inference.backend import Holding, Inference, ModelSpec, Tensor, Tensors
from services.inference.batcher import Batcher, Observer, Run
from services.inference.repository import RepositoryError, read_repository, read_version

log = logging.getLogger(__name__)

_CUDA = ("CUDAExecutionProvider", {"arena_extend_strategy": "kSameAsRequested", "cudnn_conv_algo_search": "HEURISTIC"})
_ELEMENTS = {"float": "float32", "double": "float64"}  # onnxruntime's words that are not numpy's


@dataclass(frozen=True, slots=True)
class _Served:
    spec: ModelSpec
    batcher: Batcher


@dataclass(frozen=True, slots=True)
class _Entry:
    """The loaded versions of a model; `answering` is one of them."""

    answering: int
    versions: Mapping[int, _Served]

    def asked(self, version: int | None) -> _Served | None:
        return self.versions.get(self.answering if version is None else version)

    def up(self) -> bool:
        return all(served.batcher.alive() for served in self.versions.values())


class EmbeddedBackend:
    """A `Backend` over the entries of a model repository folder, or over those of them that are `wanted` by name."""

    def __init__(self, repository: Path, observer: Observer, wanted: Callable[[str], bool] = lambda name: True) -> None:
        self._repository, self._observer, self._wanted = repository, observer, wanted
        self._entries: dict[str, _Entry] = {}
        self._changing = asyncio.Lock()
        self._ready = False

    async def start(self) -> None:
        """See `Backend.start`; the event loop stays free meanwhile."""
        read = await asyncio.to_thread(read_repository, self._repository)
        specs = {name: spec for name, spec in read.items() if self._wanted(name)}
        runs: dict[str, Run] = {}
        for name, spec in specs.items():
            runs[name] = await self._run(spec)
        for name, spec in specs.items():
            self._entries[name] = _Entry(spec.version, {spec.version: self._served(spec, runs[name])})
        self._ready = True

    def ready(self) -> bool:
        """See `Backend.ready`."""
        return self._ready and all(entry.up() for entry in self._entries.values())

    def specs(self) -> Mapping[str, ModelSpec]:
        """See `Backend.specs`."""
        self._check_ready()
        return MappingProxyType({name: entry.versions[entry.answering].spec for name, entry in self._entries.items()})

    def holdings(self) -> Mapping[str, Holding]:
        """See `Backend.holdings`."""
        self._check_ready()
        return {
            name: Holding(entry.answering, frozenset(entry.versions.keys() - {entry.answering}), entry.up())
            for name, entry in self._entries.items()
        }

    async def load(self, model: str, version: int, *, beside: Collection[int] = ()) -> None:
        """See `Backend.load`; until the new version is warm, both are in memory."""
        async with self._changing:
            self._check_ready()
            entry = self._entries[model]
            answers = entry.versions[entry.answering].spec
            kept = {number: entry.versions[number] for number in entry.versions.keys() & set(beside) - {version}}
            read: list[tuple[ModelSpec, Run]] = []
            for number in sorted({version, *beside} - kept.keys()):
                spec = await asyncio.to_thread(read_version, self._repository, model, number)
                if not answers.promises(spec):
                    raise RepositoryError(
                        f"{model}/config.pbtxt has other tensors or labels than what answers now; restart to serve it."
                    )
                read.append((spec, await self._run(spec)))
            fresh = {spec.version: self._served(spec, run) for spec, run in read}
            self._entries[model] = _Entry(version, kept | fresh)  # from here on nobody comes to those that go
            await self._let_go(model, entry)

    async def release(self, model: str, version: int) -> None:
        """See `Backend.release`."""
        async with self._changing:
            self._check_ready()
            entry = self._entries[model]
            kept = {number: served for number, served in entry.versions.items() if number != version}
            self._entries[model] = _Entry(entry.answering, kept)
            await self._let_go(model, entry)

    async def infer(
        self, model: str, inputs: Tensors, *, deadline_s: float | None, version: int | None = None
    ) -> Inference:
        """See `Backend.infer`."""
        self._check_ready()
        entry = self._entries.get(model)
        served = entry.asked(version) if entry else None
        if served is None:
            here = f"The models here are: {', '.join(self._entries) or 'none'}."
            raise MienError(
                Kind.UNKNOWN_MODEL, here if entry is None else f"Version {version} is not loaded.", field="model"
            )
        served.spec.check(inputs)
        return await served.batcher.submit(inputs, deadline_s=deadline_s, patient=calls.patient())

    async def close(self) -> None:
        """See `Backend.close`."""
        self._ready = False
        async with self._changing:
            every = [served for entry in self._entries.values() for served in entry.versions.values()]
            await asyncio.gather(*(served.batcher.close() for served in every))
            self._entries.clear()

    async def _run(self, spec: ModelSpec) -> Run:
        started = time.perf_counter()
        run = await asyncio.to_thread(_load, spec)
        self._observer.loaded(spec.model, time.perf_counter() - started)
        return run

    def _served(self, spec: ModelSpec, run: Run) -> _Served:
        self._observer.serves(spec.model, True)
        return _Served(spec, Batcher(spec.model, spec.batching, run, self._observer))

    async def _let_go(self, model: str, before: _Entry) -> None:
        """Close what the entry had before and has no more, when all that it runs is answered."""
        now = self._entries[model].versions
        for number, served in before.versions.items():
            if now.get(number) is not served:
                await served.batcher.close()
                if number not in now:  # it was not read anew
                    self._observer.serves(served.spec.model, False)
                    log.info("model %s version %d let go", model, number)

    def _check_ready(self) -> None:
        if not self._ready:
            raise MienError(Kind.NOT_READY, "The models are not loaded; ask again later.")


def check(spec: ModelSpec) -> None:
    """Refuse a model that this backend would not serve; another one may be about to load it.

    Raises:
        RepositoryError: the sentence says why.
    """
    _load(spec)


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
        raise RepositoryError(
            f"{spec.name}: onnxruntime cannot load {spec.path.name}: {_first_line(error, spec)}"
        ) from error
    _compare(spec, "input", spec.inputs, session.get_inputs())
    _compare(spec, "output", spec.outputs, session.get_outputs())

    names = [output.name for output in spec.outputs]

    def run(inputs: Tensors) -> Tensors:
        return dict(zip(names, session.run(names, dict(inputs)), strict=True))

    for rows in spec.warmup_batch_sizes:
        try:
            run({one.name: np.zeros((rows, *(max(1, dim) for dim in one.dims)), one.dtype) for one in spec.inputs})
        except Exception as error:
            raise RepositoryError(
                f"{spec.name} fails on its warm-up with {rows} rows: {_first_line(error, spec)}"
            ) from error
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


def _first_line(error: Exception, spec: ModelSpec) -> str:
    """Without the path, for this may be answered to an operator afar."""
    return str(error).partition("\n")[0].replace(str(spec.path), spec.path.name)

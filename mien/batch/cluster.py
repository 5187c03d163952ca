"""The engine that has photos answered by the workers of a Ray cluster, local or given; needs the extra `ray`.

Photos go out in blocks, as names; their bytes are read where the worker is. Answers come back here, where they become
parts as those of any engine do: so a run goes on after a kill, on whatever engine.
"""

from __future__ import annotations

import logging
import os
import signal
import threading
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from queue import Empty, SimpleQueue
from types import TracebackType
from typing import Any

import pyarrow as pa
import ray
import ray.data

from mien.batch.engine import TICK_S, Desk
from mien.batch.gateways import Gateways
from mien.batch.links import Question
from mien.batch.models import Model
from mien.batch.parts import Answer
from mien.batch.refusals import NobodyAnswersError, RefusalError, StoppedError
from mien.batch.sources import Photo
from mien.batch.worker import Help, Worker, block_of, model_of

_BLOCKS_EACH = 4  # at least so many to a worker, so that a slow one does not keep the others waiting at the end
_STARTS = 5  # Ray allows a node 30 s to start, which are few on a busy machine
_STORE_BYTES = 256 * 1024 * 1024  # of a local cluster: names go out and rows come back, no pictures


@dataclass(frozen=True, slots=True)
class Plan:
    """Which cluster: `address` empty: one that is started here and ends with the run. `workers` 0: one for each CPU;
    `block_images` at most to a block."""

    address: str
    workers: int
    block_images: int
    helper: Help


class Cluster:
    """An `Engine`; it connects when first asked, and a `with` block ends that."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan

    def __enter__(self) -> Cluster:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        ray.shutdown()

    def model(self, asked: str, stopping: threading.Event) -> Model:
        """Of the gateways, asked from here; or of a worker's models, loaded there once for this."""
        helper = self._plan.helper
        if helper.gateways:
            return Gateways(helper.gateways, helper.connections, helper.patience_s, helper.access).model(
                asked, stopping
            )
        self._connect()
        answer = ray.remote(num_cpus=1)(model_of).remote(helper, asked)
        try:
            while not ray.wait([answer], timeout=TICK_S)[0]:
                if stopping.is_set():
                    raise StoppedError
            model: Model | str = ray.get(answer)
        except ray.exceptions.RayError as error:
            raise _gave_up(error) from None
        if isinstance(model, str):
            raise RefusalError(model)
        return model

    def ask(
        self, photos: list[Photo], question: Question, scratch: Path, desk: Desk, stopping: threading.Event
    ) -> None:
        """See `Engine.ask`; `scratch` is not used, as a worker has its own."""
        if not photos:
            return
        self._connect()
        known = {photo.id: photo for photo in photos}
        answered: SimpleQueue[pa.Table | Exception | None] = SimpleQueue()
        # Ray's own waiting would not hear of `stopping`
        threading.Thread(target=self._execute, args=(photos, question, answered), daemon=True).start()
        while True:
            if stopping.is_set():
                raise StoppedError
            try:
                block = answered.get(timeout=TICK_S)
            except Empty:
                desk.wait()
                continue
            if block is None:
                break
            if isinstance(block, Exception):
                raise block
            for row in block.to_pylist():
                if row["refused"]:
                    raise RefusalError(row["refused"])
                if row["away"]:
                    raise NobodyAnswersError(row["away"])
                if photo := known.pop(row["id"], None):  # a block that was done twice counts once
                    desk.keep(Answer(photo, row["rows"]))
        if known:
            raise NobodyAnswersError(f"the Ray cluster has left out {len(known):,} photos")

    def _execute(
        self, photos: list[Photo], question: Question, answered: SimpleQueue[pa.Table | Exception | None]
    ) -> None:
        try:
            workers = self._workers()
            size = max(1, min(self._plan.block_images, -(-len(photos) // (_BLOCKS_EACH * workers))))
            data = ray.data.from_arrow([block_of(block) for block in _blocks(photos, size)]).map_batches(
                Worker,
                fn_constructor_args=(self._plan.helper, question),
                batch_size=None,
                batch_format="pyarrow",
                compute=ray.data.ActorPoolStrategy(size=workers),
                num_cpus=1,
            )
            for block in data.iter_batches(batch_size=None, batch_format="pyarrow"):
                answered.put(block)
            answered.put(None)
        except RefusalError as refusal:
            answered.put(refusal)
        except Exception as error:  # whatever Ray and its workers may raise; the one who waits must hear of it
            answered.put(_gave_up(error))

    def _workers(self) -> int:
        cpus = int(ray.cluster_resources().get("CPU", 0))
        if self._plan.workers > cpus or not cpus:
            raise RefusalError(
                f"the Ray cluster has {cpus} CPUs, one for each worker: ask for so many --workers at most"
            )
        return self._plan.workers or cpus

    def _connect(self) -> None:
        if ray.is_initialized():
            return
        os.environ["RAY_USAGE_STATS_ENABLED"] = "0"  # Ray would tell its makers of every cluster that is started
        numbers = (signal.SIGINT, signal.SIGTERM)
        handlers = [signal.getsignal(number) for number in numbers]  # Ray takes one of them away
        try:
            _connected(self._plan)
        finally:
            for number, handler in zip(numbers, handlers, strict=True):
                signal.signal(number, handler)
        ray.data.DataContext.get_current().enable_progress_bars = False
        logging.getLogger("ray.data").setLevel(logging.ERROR)


def _connected(plan: Plan) -> None:
    local: dict[str, Any] = {
        "num_cpus": max(plan.workers, os.cpu_count() or 1),
        "object_store_memory": _STORE_BYTES,
        "include_dashboard": False,
    }
    for left in reversed(range(_STARTS)):
        try:
            ray.init(
                plan.address or "local",
                logging_level=logging.ERROR,
                log_to_driver=False,
                **({} if plan.address else local),
            )
        except Exception as error:  # Ray raises the plain one too
            ray.shutdown()
            if left and not plan.address:
                continue
            where = f"at {plan.address}" if plan.address else "here"
            raise NobodyAnswersError(f"there is no Ray cluster {where}: {str(error).splitlines()[0]}") from None
        return


def _blocks(photos: list[Photo], size: int) -> Iterator[list[Photo]]:
    """Relative paths mean something only here."""
    for first in range(0, len(photos), size):
        yield [replace(photo, path=str(Path(photo.path).absolute())) for photo in photos[first : first + size]]


def _gave_up(error: Exception) -> NobodyAnswersError:
    return NobodyAnswersError(f"the Ray cluster gave up ({type(error).__name__}; its logs say why)")

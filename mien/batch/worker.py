"""What a worker of a Ray cluster does: a block of photos → what will stand in the table about each.

Blocks are Arrow tables. One that comes has a row for each photo, of `Photo`'s fields. One that goes has a row of
`ANSWERS` for each photo that has its answer, and one more, without an id, where the worker met what ends the run.
"""

from __future__ import annotations

import os
import tempfile
import threading
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

import pyarrow as pa

from mien import results
from mien.access import Access
from mien.batch.embedded import Embedded
from mien.batch.gateways import Gateways
from mien.batch.links import Question
from mien.batch.models import Model, chosen_model
from mien.batch.parts import Answer
from mien.batch.refusals import NobodyAnswersError, RefusalError
from mien.batch.sources import Photo

ANSWERS = pa.schema(
    [
        ("id", pa.string()),
        ("rows", pa.list_(pa.struct(list(results.SCHEMA)))),
        ("refused", pa.string()),  # what the user can put right
        ("away", pa.string()),  # what a later try may put right
    ]
)


@dataclass(frozen=True, slots=True)
class Help:
    """Whom a worker asks: the gateways, or, without any, models of its own with these settings (`MIEN_*`).

    Files of `access` are read where the worker is.
    """

    gateways: Sequence[str]
    connections: int
    patience_s: float
    settings: Mapping[str, str]
    access: Access = field(default_factory=Access)

    def gathered(self) -> Gateways:
        """The engine that a worker has.

        Raises:
            RefusalError: it cannot load the models.
        """
        if self.gateways:
            return Gateways(self.gateways, self.connections, self.patience_s, self.access)
        models = self.models()
        return Gateways(["the models of a worker"], 1, self.patience_s, connect=lambda _: models)

    def models(self) -> Embedded:
        """Models of its own.

        Raises:
            RefusalError: they cannot be loaded.
        """
        os.environ.update(self.settings)
        return Embedded()


def model_of(helper: Help, asked: str) -> Model | str:
    """What a worker's own models would answer with where `asked` is the wish; or why they cannot."""
    try:
        models = helper.models()
        try:
            return chosen_model(models.models(), asked, "a worker has")
        finally:
            models.unload()
    except RefusalError as refusal:
        return str(refusal)


class Worker:
    """Stays, with its models, from block to block."""

    def __init__(self, helper: Help, question: Question) -> None:
        self._question = question
        self._trouble: RefusalError | None = None
        try:
            self._engine = helper.gathered()
        except RefusalError as refusal:  # said with the first block: Ray would make it anew for ever
            self._trouble = refusal

    def __call__(self, block: pa.Table) -> pa.Table:
        """Have the block's photos answered."""
        desk, photos = _Desk([]), [Photo(**row) for row in block.to_pylist()]
        trouble: dict[str, str] = {}
        try:
            if self._trouble:
                raise self._trouble
            self._engine.ask(photos, self._question, Path(tempfile.gettempdir()), desk, threading.Event())
        except RefusalError as refusal:
            trouble = {"refused": str(refusal)}
        except NobodyAnswersError as error:
            trouble = {"away": str(error)}
        rows = [{"id": answer.photo.id, "rows": answer.rows} for answer in desk.answers]
        return pa.Table.from_pylist([*rows, trouble] if trouble else rows, schema=ANSWERS)


def block_of(photos: Iterable[Photo]) -> pa.Table:
    """What a worker is given."""
    types = [("id", pa.string()), ("path", pa.string())]
    numbers = [(name, pa.int64()) for name in ("size_bytes", "mtime_ns", "offset_bytes", "row")]
    return pa.Table.from_pylist([asdict(photo) for photo in photos], schema=pa.schema([*types, *numbers]))


@dataclass(frozen=True, slots=True)
class _Desk:
    answers: list[Answer]

    def keep(self, answer: Answer) -> None:
        self.answers.append(answer)

    def wait(self) -> None: ...

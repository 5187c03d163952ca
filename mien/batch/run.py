"""A batch from beginning to end: what is left to ask, the engine that has it answered, and the table at the end."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from mien import results
from mien.access import Access
from mien.batch import journal, merge
from mien.batch.engine import Engine
from mien.batch.gateways import Gateways
from mien.batch.links import Question
from mien.batch.models import Model
from mien.batch.parts import Answer, Parts, Tally
from mien.batch.progress import Show
from mien.batch.refusals import FRESH, RefusalError
from mien.batch.sources import Photo, in_reading_order


@dataclass(frozen=True, slots=True)
class Order:
    """What the user wants; `connections` to each gateway, `part_images` to a part."""

    target: Path
    gateways: Sequence[str]
    connections: int = 1
    model: str = ""
    whole_picture: bool = False
    patience_s: float = 60.0
    part_images: int = 1000
    restart: bool = False
    keep_parts: bool = False
    access: Access = field(default_factory=Access)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What the table holds, and what this run added to it; both nothing where the table was complete before."""

    tally: Tally
    asked: int
    seconds: float


def run(
    order: Order, photos: list[Photo], show: Show, stopping: threading.Event, engine: Engine | None = None
) -> Outcome | None:
    """Ask about every photo and write the table; None: it was complete already.

    Without an engine it is the order's gateways that are asked.

    Raises:
        RefusalError: these photos, this model or these parameters do not go with what is there.
        NobodyAnswersError: no gateway, for longer than the user's patience; or the engine cannot go on.
        StoppedError: `stopping` was set. After each of these, the answers so far are on the disk.
    """
    engine = engine or Gateways(order.gateways, order.connections, order.patience_s, order.access)
    places = journal.Places(order.target)
    with journal.locked(places):
        if not order.restart and _complete(places, order, photos):
            if not order.keep_parts:
                journal.clear(places)
            return None
        model = engine.model(order.model, stopping)
        parts, done = _begun(places, order, model, photos)
        tally, begun_s = parts.tally(), time.monotonic()
        left = [photo for photo in photos if photo.id not in done]
        show.begin(len(photos), tally)
        question = Question(order.model, order.whole_picture, model)
        try:
            engine.ask(in_reading_order(left), question, places.parts, _Desk(parts, tally, show), stopping)
        finally:
            parts.flush()
        seconds = time.monotonic() - begun_s
        merge.merge(parts.paths(), places.target)
        journal.write(places.last, journal.fingerprint(order.model, order.whole_picture, model, photos))
        if not order.keep_parts:
            journal.clear(places)
        return Outcome(tally, len(left), seconds)


def _complete(places: journal.Places, order: Order, photos: list[Photo]) -> bool:
    """Whether the table is there and answers this very question."""
    last = journal.read(places.last)
    if last is None or not places.target.exists() or last.sha256 != journal.hash_of(photos):
        return False
    journal.check_parameters(last, order.model, order.whole_picture)
    return True


def _begun(places: journal.Places, order: Order, model: Model, photos: list[Photo]) -> tuple[Parts, set[str]]:
    """The parts so far, and the ids that have their answer in them."""
    if order.restart:
        journal.forget(places)
    now = journal.fingerprint(order.model, order.whole_picture, model, photos)
    parts, earlier, last = Parts(places.parts, order.part_images), journal.read(places.run), journal.read(places.last)
    grown: list[Photo] = []
    if earlier is not None:
        journal.check_same(earlier, now)
    elif parts.paths():
        raise RefusalError(f"{places.run} is missing: {FRESH}")
    elif places.target.exists() and not order.restart:
        if last is None:
            raise RefusalError(f"{places.target} exists and no batch wrote it: choose another name, or {FRESH}")
        journal.check_same(last, now)
        grown = _answered(places.target, last, photos)
    done = journal.check_stamps(parts.stamps(), photos)
    journal.write(places.run, now)
    if grown:
        parts.adopt(results.read([places.target]), grown)
        done = {photo.id for photo in grown}
    return parts, done


def _answered(target: Path, last: journal.Fingerprint, photos: list[Photo]) -> list[Photo]:
    """The photos of an earlier table, to which others have come since."""
    names = set(results.read([target])["image"].to_pylist())
    known = [photo for photo in photos if photo.id in names]
    if journal.hash_of(known) != last.sha256:
        raise RefusalError(
            f"files that {target} has answers for have changed or are gone since it was written: {FRESH}"
        )
    return known


@dataclass(frozen=True, slots=True)
class _Desk:
    """Keeps answers in parts, and shows how far that is."""

    parts: Parts
    tally: Tally
    show: Show

    def keep(self, answer: Answer) -> None:
        self.parts.add(answer)
        self.tally.add(answer.rows)
        self.show.update(self.tally)

    def wait(self) -> None:
        self.show.update(self.tally)

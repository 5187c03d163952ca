"""A batch from beginning to end: what is left to ask, the connections that ask it, and the table at the end."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from queue import Empty, SimpleQueue

from mien import results
from mien.batch import journal, merge
from mien.batch.links import Link, Question
from mien.batch.models import Model, served_model
from mien.batch.parts import Answer, Parts, Tally
from mien.batch.progress import Show
from mien.batch.reading import Files
from mien.batch.refusals import FRESH, NobodyAnswersError, RefusalError, StoppedError
from mien.batch.sources import Photo
from mien.batch.work import Work

_TICK_S = 0.1
_LEAVE_S = 5.0  # for connections that hang up


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


@dataclass(frozen=True, slots=True)
class Outcome:
    """What the table holds, and what this run added to it; both nothing where the table was complete before."""

    tally: Tally
    asked: int
    seconds: float


def run(order: Order, photos: list[Photo], show: Show, stopping: threading.Event) -> Outcome | None:
    """Ask about every photo and write the table; None: it was complete already.

    Raises:
        RefusalError: these photos, this model or these parameters do not go with what is there.
        NobodyAnswersError: no gateway, for longer than the user's patience.
        StoppedError: `stopping` was set. After each of these, the answers so far are on the disk.
    """
    places = journal.Places(order.target)
    with journal.locked(places):
        if not order.restart and _complete(places, order, photos):
            if not order.keep_parts:
                journal.clear(places)
            return None
        model = _model(order, stopping)
        parts, done = _begun(places, order, model, photos)
        tally, begun_s = parts.tally(), time.monotonic()
        left = [photo for photo in photos if photo.id not in done]
        show.begin(len(photos), tally)
        _ask(left, order, Question(order.model, order.whole_picture, model), places.parts, parts, tally, show, stopping)
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


def _model(order: Order, stopping: threading.Event) -> Model:
    """What the first gateway that answers will answer with; the others are judged by their answers."""
    deadline = time.monotonic() + order.patience_s
    while True:
        for address in order.gateways:
            answer = served_model(address, order.model)
            if isinstance(answer, Model):
                return answer
        if time.monotonic() > deadline:
            raise NobodyAnswersError(f"no gateway has answered for {order.patience_s:.0f} s: {answer}")
        if stopping.wait(min(1.0, order.patience_s / 4)):
            raise StoppedError


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


def _ask(
    photos: list[Photo],
    order: Order,
    question: Question,
    scratch: Path,
    parts: Parts,
    tally: Tally,
    show: Show,
    stopping: threading.Event,
) -> None:
    """Have every photo answered; however this ends, the answers that came are in parts on the disk."""
    work, files = Work(photos), Files(scratch)
    answers: SimpleQueue[Answer | Exception] = SimpleQueue()
    links = [
        Link(address, question, work, files, answers) for _ in range(order.connections) for address in order.gateways
    ]
    # daemons: a disk or a gateway that hangs cannot keep the process from leaving
    threads = [threading.Thread(target=link.run, daemon=True) for link in links]
    for thread in threads:
        thread.start()

    def keep(answer: Answer) -> None:
        parts.add(answer)
        tally.add(answer.rows)

    try:
        while not (work.finished and answers.empty()):
            if stopping.is_set():
                raise StoppedError
            try:
                answer = answers.get(timeout=_TICK_S)
            except Empty:
                _check_presence(links, order.patience_s)
            else:
                if isinstance(answer, Exception):
                    raise answer
                keep(answer)
            show.update(tally)
    finally:
        work.stop()
        for link in links:
            link.close()
        deadline = time.monotonic() + _LEAVE_S
        for thread in threads:
            thread.join(max(deadline - time.monotonic(), 0.0))
        while not answers.empty():
            if isinstance(answer := answers.get(), Answer):
                keep(answer)
        parts.flush()
        files.close()


def _check_presence(links: Sequence[Link], patience_s: float) -> None:
    for link in links:
        link.wake(patience_s)
    if all(link.away_s() > patience_s for link in links):
        reasons = {link.address: link.trouble for link in links}
        said = "; ".join(f"{address}: {reason}" for address, reason in reasons.items())
        raise NobodyAnswersError(f"no gateway has answered for {patience_s:.0f} s: {said}")

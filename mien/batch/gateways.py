"""The engine that asks gateways over connections of this process, all of which share one queue of work."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from queue import Empty, SimpleQueue

from mien.access import Access
from mien.batch.engine import TICK_S, Desk
from mien.batch.links import Connect, Link, Question
from mien.batch.models import Model, served_model
from mien.batch.parts import Answer
from mien.batch.reading import Files
from mien.batch.refusals import NobodyAnswersError, StoppedError
from mien.batch.sources import Photo
from mien.batch.work import Work
from mien.client import Client

_LEAVE_S = 5.0  # for connections that hang up


@dataclass(frozen=True, slots=True)
class Gateways:
    """An `Engine`; `connections` to each address, each made by `connect`, else a `Client` with `access`."""

    addresses: Sequence[str]
    connections: int
    patience_s: float
    access: Access = field(default_factory=Access)
    connect: Connect | None = None

    def model(self, asked: str, stopping: threading.Event) -> Model:
        """What the first gateway that answers will answer with; the others are judged by their answers."""
        deadline = time.monotonic() + self.patience_s
        while True:
            for address in self.addresses:
                answer = served_model(address, asked, self.access)
                if isinstance(answer, Model):
                    return answer
            if time.monotonic() > deadline:
                raise NobodyAnswersError(f"no gateway has answered for {self.patience_s:.0f} s: {answer}")
            if stopping.wait(min(1.0, self.patience_s / 4)):
                raise StoppedError

    def ask(
        self, photos: list[Photo], question: Question, scratch: Path, desk: Desk, stopping: threading.Event
    ) -> None:
        """See `Engine.ask`."""
        connect = self.connect or partial(Client, key=self.access.key, tls=self.access.tls)
        work, files = Work(photos), Files(scratch)
        answers: SimpleQueue[Answer | Exception] = SimpleQueue()
        links = [
            Link(address, question, work, files, answers, connect)
            for _ in range(self.connections)
            for address in self.addresses
        ]
        # daemons: a disk or a gateway that hangs cannot keep the process from leaving
        threads = [threading.Thread(target=link.run, daemon=True) for link in links]
        for thread in threads:
            thread.start()
        try:
            while not (work.finished and answers.empty()):
                if stopping.is_set():
                    raise StoppedError
                try:
                    answer = answers.get(timeout=TICK_S)
                except Empty:
                    _check_presence(links, self.patience_s)
                    desk.wait()
                else:
                    if isinstance(answer, Exception):
                        raise answer
                    desk.keep(answer)
        finally:
            work.stop()
            for link in links:
                link.close()
            deadline = time.monotonic() + _LEAVE_S
            for thread in threads:
                thread.join(max(deadline - time.monotonic(), 0.0))
            while not answers.empty():
                if isinstance(answer := answers.get(), Answer):
                    desk.keep(answer)
            files.close()


def _check_presence(links: Sequence[Link], patience_s: float) -> None:
    for link in links:
        link.wake(patience_s)
    if all(link.away_s() > patience_s for link in links):
        reasons = {link.address: link.trouble for link in links}
        said = "; ".join(f"{address}: {reason}" for address, reason in reasons.items())
        raise NobodyAnswersError(f"no gateway has answered for {patience_s:.0f} s: {said}")

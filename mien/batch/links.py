"""One connection to a gateway: takes from the shared work, asks on a stream, and comes back when that breaks."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from queue import SimpleQueue
from types import TracebackType
from typing import Protocol, Self

from mien.batch.models import NOT_LET_IN, Model, changed_model
from mien.batch.parts import Answer
from mien.batch.reading import Reader
from mien.batch.refusals import RefusalError
from mien.batch.work import Hold, Task, Work
from mien.client import CallError, Client, Outcome
from mien.results import row_of_error, rows_of

ASKED_AGAIN = 3
_BACKOFF_S = (0.2, 10.0)  # the first and the longest
_WAIT_S = 30.0  # longest that a gateway may ask for
# Every gateway takes at least a message of 32 MiB; one that is too large would break the stream for all photos on it.
_MAX_PHOTO_BYTES = 31 * 1024 * 1024

# The gateway, not the photo, is in trouble: what a break of the connection would do is right.
_AWAY = frozenset({"unavailable", "not_ready"})
# What no patience puts right.
_FATAL = frozenset(
    {"bad_parameter", "invalid_argument", "malformed_request", "not_found", "not_implemented"}
    | {"unimplemented", "unknown_model"}
    | NOT_LET_IN
)


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked about every photo."""

    model: str
    whole_picture: bool
    answered_by: Model


class Connection(Protocol):
    """What a link needs of a client."""

    def classify_stream(
        self, items: Iterable[tuple[str, bytes]], *, model: str = "", whole_picture: bool = False
    ) -> Iterator[Outcome]: ...
    def close(self) -> None: ...
    def __enter__(self) -> Self: ...
    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


Connect = Callable[[str], Connection]


class Link:
    """One connection. `run` is its thread; the others are called from outside."""

    def __init__(
        self,
        address: str,
        question: Question,
        work: Work,
        read: Reader,
        answers: SimpleQueue[Answer | Exception],
        connect: Connect = Client,
    ) -> None:
        self.address = address
        self.trouble = ""  # the reason of the last break
        self._question, self._work, self._read, self._answers = question, work, read, answers
        self._connect = connect
        self._client: Connection | None = None
        self._reading = False
        self._alive_s = time.monotonic()  # when something went on last
        self._away_since_s: float | None = None
        self._failures = 0

    def run(self) -> None:
        """Ask until all work is settled or stopped."""
        try:
            while self._work.wait():
                if trouble := self._stream():
                    self.trouble = trouble
                    self._away_since_s = self._away_since_s or time.monotonic()
                    self._work.pause(_backoff_s(self._failures))
                    self._failures += 1
        except Exception as error:  # a refusal, or a defect, which must not leave the others waiting for ever
            self._answers.put(error)

    def away_s(self) -> float:
        """For how long this gateway has answered nothing although it was asked."""
        since = self._away_since_s
        return 0.0 if since is None else time.monotonic() - since

    def wake(self, patience_s: float) -> None:
        """Hang up if the other end has gone without a word."""
        if self._client is not None and not self._reading and time.monotonic() - self._alive_s > patience_s:
            self.close()

    def close(self) -> None:
        if (client := self._client) is not None:
            client.close()

    def _stream(self) -> str:
        """Ask on one stream until there is nothing to take; why it broke, or nothing."""
        hold, question = Hold(self._work), self._question
        self._alive_s = time.monotonic()
        try:
            with self._connect(self.address) as client:
                self._client = client
                stream = client.classify_stream(
                    self._photos(hold), model=question.model, whole_picture=question.whole_picture
                )
                for outcome in stream:
                    self._alive_s = time.monotonic()
                    if task := hold.release(outcome.id):
                        self._judge(task, outcome)
        except CallError as error:
            if error.code in _FATAL:
                raise RefusalError(f"the gateway {self.address} refuses: {error.detail} ({error.code})") from None
            return f"{error.detail} ({error.code})"
        except ValueError as error:  # gRPC's word for a channel that was closed meanwhile
            return str(error)
        finally:
            self._client = None
            unanswered = hold.close()
        return "it ended the stream early" if unanswered else ""

    def _photos(self, hold: Hold) -> Iterator[tuple[str, bytes]]:
        """What gRPC's thread sends; a photo that cannot be read never leaves."""
        while taken := hold.take():
            key, task = taken
            self._reading = True
            try:
                if task.photo.row < 0 and task.photo.size_bytes > _MAX_PHOTO_BYTES:
                    self._fail(hold, key, "too_many_bytes", "The file is larger than any gateway takes.")
                    continue
                data = self._read(task.photo)
                if len(data) > _MAX_PHOTO_BYTES:  # a table's pictures are listed without their sizes
                    self._fail(hold, key, "too_many_bytes", "The file is larger than any gateway takes.")
                    continue
            except OSError as error:
                self._fail(hold, key, "unreadable", f"The file cannot be read: {error.strerror or error}.")
                continue
            finally:
                self._reading = False
                self._alive_s = time.monotonic()
            yield key, data

    def _fail(self, hold: Hold, key: str, code: str, detail: str) -> None:
        if task := hold.release(key):
            self._settle(Answer(task.photo, [row_of_error(task.photo.id, code, detail)]))

    def _judge(self, task: Task, outcome: Outcome) -> None:
        photo, result, error = task.photo, outcome.result, outcome.error
        if error is not None and error.code in _AWAY:
            self._work.put_back([task])
            raise error
        self._away_since_s, self._failures = None, 0
        if result is not None:
            served, expected = Model(result.model.name, result.model.version), self._question.answered_by
            if served != expected:
                raise changed_model(expected, served)
            self._settle(Answer(photo, rows_of(photo.id, result)))
        elif error is not None and error.retryable and task.asked_again < ASKED_AGAIN:
            task.asked_again += 1
            self._work.put_back([task], max(_backoff_s(task.asked_again), min(error.retry_after_s, _WAIT_S)))
        elif error is not None:
            self._settle(Answer(photo, [row_of_error(photo.id, error.code, error.detail)]))

    def _settle(self, answer: Answer) -> None:
        self._answers.put(answer)
        self._work.settle()


def _backoff_s(failures: int) -> float:
    """Twice as long each time, and never the same for two that broke together."""
    first, longest = _BACKOFF_S
    return min(first * 2.0**failures, longest) * secrets.SystemRandom().uniform(0.5, 1.0)

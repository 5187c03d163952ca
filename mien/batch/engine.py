"""Who gets photos answered: this process alone (`gateways`), or a Ray cluster (`cluster`)."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Protocol

from mien.batch.links import Question
from mien.batch.models import Model
from mien.batch.parts import Answer
from mien.batch.sources import Photo

TICK_S = 0.1  # how often is looked up from waiting


class Desk(Protocol):
    """Where answers go; called from one thread."""

    def keep(self, answer: Answer) -> None:
        """One has come."""

    def wait(self) -> None:
        """None has, for a moment."""


class Engine(Protocol):
    """Has photos answered."""

    def model(self, asked: str, stopping: threading.Event) -> Model:
        """What will answer where `asked` is the wish.

        Raises:
            RefusalError: there is no such model.
            NobodyAnswersError: for longer than the user's patience.
            StoppedError: `stopping` was set.
        """

    def ask(
        self, photos: list[Photo], question: Question, scratch: Path, desk: Desk, stopping: threading.Event
    ) -> None:
        """Have every photo answered, once; however this ends, the answers that came are kept.

        Args:
            scratch: a folder for what needs room for a while.

        Raises:
            RefusalError, NobodyAnswersError, StoppedError: as above.
        """

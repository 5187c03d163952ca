"""An observer of batcher and Triton that keeps a ledger."""

from __future__ import annotations

from collections import Counter

from services.domain import ModelVersion
from services.errors import Kind


class Ledger:
    """What an `Observer` was told: rows queued now, waits, (rows, seconds) of batches, drops by reason; of Triton also
    how many were answered and asked again, and which models can answer."""

    def __init__(self) -> None:
        self.rows = 0
        self.waits_s: list[float] = []
        self.batches: list[tuple[int, float]] = []
        self.drops: Counter[Kind] = Counter()
        self.broken: Counter[Kind] = Counter()
        self.loads: list[ModelVersion] = []
        self.answers = self.retries = 0
        self.up: dict[str, bool] = {}
        self.serving: set[int] = set()

    def loaded(self, model: ModelVersion, load_s: float) -> None:
        assert load_s > 0
        self.loads.append(model)

    def serves(self, model: ModelVersion, serving: bool) -> None:
        (self.serving.add if serving else self.serving.discard)(model.version)

    def queued(self, model: ModelVersion, rows: int) -> None:
        assert rows >= 0
        self.rows = rows

    def waited(self, model: ModelVersion, queue_s: float) -> None:
        self.waits_s.append(queue_s)

    def inferred(self, model: ModelVersion, rows: int, inference_s: float) -> None:
        self.batches.append((rows, inference_s))

    def broke(self, model: ModelVersion, reason: Kind) -> None:
        self.broken[reason] += 1

    def dropped(self, model: ModelVersion, reason: Kind) -> None:
        self.drops[reason] += 1

    def returned(self, model: ModelVersion, seconds: float) -> None:
        self.answers += 1

    def retried(self, model: ModelVersion) -> None:
        self.retries += 1

    def available(self, model: ModelVersion, up: bool) -> None:
        self.up[model.name] = up

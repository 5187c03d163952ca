"""What the training loop asks of a method: networks, batches and losses stay behind this protocol."""

from __future__ import annotations

from typing import Any, Protocol


class Task(Protocol):
    """One method on one data set, on one process of `world` (rank 0 alone validates and saves)."""

    steps_per_epoch: int
    images_per_step: int

    def step(self, epoch: int, step: int) -> dict[str, float]:
        """One optimiser step on the batch numbered (epoch, step); named loss terms, already weighted.

        The batch and its augmentation are a function of seed, epoch and step alone, so a resumed run sees what the
        interrupted one would have seen.
        """

    def validate(self) -> dict[str, float]:
        """Scores on the validation rows; the loop keeps the weights with the highest `score`."""

    def state(self) -> dict[str, Any]:
        """Everything that exact resumption needs, tensors and plain values only."""

    def restore(self, state: dict[str, Any]) -> None:
        """The inverse of `state`."""

    def weights(self) -> dict[str, Any]:
        """The network's state to evaluate and export (averaged, if the task averages)."""

"""How long requests queue in a Triton, which does not say it of each: the share of their time by its statistics."""

from __future__ import annotations

from collections.abc import Mapping


class Queueing:
    """Takes the statistics of look after look, and says which share of their time requests queued lately."""

    def __init__(self) -> None:
        self._until_now: dict[str, tuple[int, int, float]] = {}  # ns queued and in all, and lately's share

    def measure(self, spent: Mapping[str, tuple[int, int]]) -> None:
        """Take in nanoseconds that requests queued, and took in all, by model since Triton started."""
        for name, (queued, whole) in spent.items():
            before_queued, before_whole, share = self._until_now.get(name, (0, 0, 0.0))
            if whole != before_whole:  # less than before: Triton was started anew
                share = min(1.0, max(0.0, (queued - before_queued) / (whole - before_whole)))
            self._until_now[name] = (queued, whole, share)

    def share(self, model: str) -> float:
        """Of a request's time, in [0, 1]; 0 where nothing is known."""
        return self._until_now.get(model, (0, 0, 0.0))[2]

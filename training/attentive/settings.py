"""What a run of the attentive classifier decides beyond every run's sections; no torch here."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Attention:
    """Beside `data` (people, and statues in `data.statues`), `augment` and `shape` (how statues' squares move, what
    landmarks and units weigh), which mean here what they mean elsewhere.

    Attributes:
        classifier: run of a classifier (`best.pt`) whose last stage and head this one begins with, beside
            `model.init`, a landmarker's run ('' = from scratch).
    """

    classifier: str = ""

"""What a run of the attentive classifier decides beyond every run's sections; no torch here."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Attention:
    """Beside `data` (people, and statues in `data.statues`), `augment` and `shape` (how statues' squares move, what
    landmarks and units weigh), which mean here what they mean elsewhere.

    Attributes:
        classifier: run of an ARM classifier (`best.pt`) whose last stage and head this one begins with, where
            `model.init` is a landmarker's run ('' = from scratch).
        taught: share of people's targets that is that classifier's answer, the rest the annotators' votes. What it
            knows of people is then not unlearnt while the trunk learns statues (Li & Hoiem, "Learning without
            forgetting", ECCV 2016).
    """

    classifier: str = ""
    taught: float = 0.0

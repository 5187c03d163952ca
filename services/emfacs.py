"""The action units that each expression is made of.

The prototypes are those of EMFACS (W. V. Friesen and P. Ekman, "EMFACS-7: Emotional Facial Action Coding System",
1983), with the action units that most people show with each (S. Du, Y. Tao and A. M. Martinez, "Compound facial
expressions of emotion", PNAS 111(15), 2014), in Mien's 17 units. How strong each unit is, in [0, 1], is Mien's own
choice: a clear expression, not an extreme one. Units that a prototype does not name are 0 in it.

An expression shown is not an emotion felt. Used by generation, which renders them, and by the gateway, which names them
when it explains.
"""

from __future__ import annotations

from collections.abc import Mapping

PROTOTYPES: Mapping[str, Mapping[str, float]] = {
    "neutral": {},
    "happiness": {"AU06": 0.75, "AU12": 1.0, "AU25": 0.6},
    "surprise": {"AU01": 0.9, "AU02": 0.9, "AU05": 0.7, "AU25": 0.75, "AU26": 0.9},
    "sadness": {"AU01": 0.8, "AU04": 0.65, "AU15": 0.8, "AU17": 0.5},
    "anger": {"AU04": 1.0, "AU05": 0.5, "AU07": 0.75, "AU23": 0.8},
    "disgust": {"AU04": 0.5, "AU07": 0.4, "AU09": 0.95, "AU10": 0.75, "AU17": 0.5},
    "fear": {"AU01": 0.8, "AU02": 0.45, "AU04": 0.65, "AU05": 0.85, "AU20": 0.75, "AU25": 0.65, "AU26": 0.4},
}

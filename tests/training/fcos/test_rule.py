"""The rule that says which finds are faces: chosen where it finds the most, and told the same in both places."""

from __future__ import annotations

import ast
from pathlib import Path

import numpy as np
import pytest

from training.fcos import finding, rule
from training.fcos.evaluate import Album
from training.fcos.rule import Look

ROOT = Path(__file__).parents[3]
PICTURE = np.zeros((100, 100, 3), np.uint8)


def find(x: float, score: float) -> list[float]:
    return [x, 10, 20, 20, *[0.0] * 10, score]


def looks(*finds: tuple[float, float, float]) -> list[Look]:
    """One picture with finds of (x, score, quality)."""
    rows = np.array([find(x, score) for x, score, _ in finds]).reshape(-1, 15)
    return [Look(rows, np.array([quality for *_, quality in finds]))]


FACES = Album("photos", (PICTURE,), (np.array([[0, 10, 20, 20, 0.9], [50, 10, 20, 20, 0.9]], float),))
EMPTY = Album("backgrounds", (PICTURE,), (np.zeros((0, 5)),))


def test_the_highest_sum_that_finds_the_most_is_chosen_among_those_that_keep_the_backgrounds_clean() -> None:
    photos = FACES, looks((0, 0.6, 0.5), (50, 0.4, 0.5))
    doubtful = EMPTY, looks((20, 0.6, 0.0))
    alone = rule.best(photos, doubtful, 0.0, 0)
    assert alone is not None
    assert (alone.recall, alone.least) == (0.0, rule.SUMS[-1]), "the score alone cannot tell them apart"
    together = rule.best(photos, doubtful, 1.0, 0)
    assert together is not None
    assert (together.recall, together.least, together.false_on_backgrounds) == (1.0, pytest.approx(0.9), 0)
    forgiven = rule.best(photos, doubtful, 0.0, 1)
    assert forgiven is not None
    assert (forgiven.recall, forgiven.least) == (1.0, pytest.approx(0.4))


def test_a_false_find_weighs_as_much_as_a_face() -> None:
    photos = FACES, looks((0, 0.8, 0.0), (50, 0.5, 0.0), (20, 0.6, 0.0), (80, 0.55, 0.0))
    found = rule.best(photos, (EMPTY, looks()), 0.0, 0)
    assert found is not None
    assert (found.gain, found.recall, found.least) == (1, 0.5, pytest.approx(0.8))


def test_what_scores_too_little_is_no_face_whatever_its_quality() -> None:
    found = rule.best((FACES, looks((0, finding.MIN_DOUBTED_SCORE - 0.01, 1.0))), (EMPTY, looks()), 1.0, 0)
    assert found is not None
    assert found.recall == 0


def test_training_and_the_service_tell_the_same_rule() -> None:
    service = ast.parse((ROOT / "services" / "detection" / "network.py").read_text())
    told = {}
    for node in service.body:
        if isinstance(node, ast.Assign):
            target = node.targets[0]
            names = [each.id for each in target.elts] if isinstance(target, ast.Tuple) else [ast.unparse(target)]
            try:
                value = ast.literal_eval(node.value)
            except ValueError:
                continue
            told |= dict(zip(names, value if isinstance(target, ast.Tuple) else [value], strict=True))
    for name in ("MIN_SCORE", "MIN_DOUBTED_SCORE", "QUALITY_WEIGHT", "MIN_SUM"):
        assert told[name] == getattr(finding, name), name

"""Explanations: where the colour lies, and which action units are named."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from services.domain import EXPRESSIONS, Box, ClassifiedFace, Face
from services.emfacs import PROTOTYPES
from services.gateway.explaining import HEAT_MAP_PX, explained, heat_map, speaking_for

GREY = np.full((112, 112, 3), 120, np.uint8)


def test_what_speaks_for_it_is_orange_what_speaks_against_it_blue_and_the_rest_grey() -> None:
    cells = np.zeros((4, 4), np.float32)
    cells[0, 0], cells[3, 3] = 2.0, -2.0
    picture = heat_map(GREY, cells).astype(int)
    assert picture.shape == (HEAT_MAP_PX, HEAT_MAP_PX, 3)
    for_it, against_it, neither = picture[10, 10], picture[-10, -10], picture[10, -10]
    assert for_it[0] > for_it[2] + 100
    assert against_it[2] > against_it[0] + 100
    assert np.ptp(neither) == 0


def test_a_face_without_any_evidence_is_left_grey() -> None:
    assert (heat_map(GREY, np.zeros((4, 4), np.float32)) == 120).all()


def test_the_units_of_the_expression_are_named_and_no_others() -> None:
    shown = {"AU12": 0.9, "AU06": 0.5, "AU25": 0.05, "AU04": 1.0}
    assert speaking_for("happiness", shown) == {"AU12": 0.9, "AU06": 0.5}, "one too weak, one of another expression"
    assert speaking_for("neutral", shown) == {}
    assert speaking_for("happiness", {}) == {}


def test_a_unit_that_few_expressions_have_says_more_than_a_common_one() -> None:
    everything = dict.fromkeys(PROTOTYPES["fear"], 0.6)
    assert next(iter(speaking_for("fear", everything))) == "AU20"


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_each_face_is_explained_by_the_cells_of_its_own_expression(expression: str) -> None:
    evidence = np.random.default_rng(0).normal(size=(2, 7, 4, 4)).astype(np.float32)
    faces = [ClassifiedFace(Face(Box(0, 0, 9, 9), 1.0), name, (0.0,) * 7) for name in ("neutral", expression)]
    _, answer = explained(faces, np.stack([GREY, GREY]), evidence)
    assert answer.explanation is not None
    assert np.array_equal(answer.explanation.evidence, evidence[1, EXPRESSIONS.index(expression)])
    drawn = cv2.imdecode(np.frombuffer(answer.explanation.heat_map, np.uint8), cv2.IMREAD_COLOR)
    assert np.array_equal(drawn[..., ::-1], heat_map(GREY, answer.explanation.evidence))

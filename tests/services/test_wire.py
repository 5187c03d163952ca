"""Values survive the wire."""

from __future__ import annotations

import numpy as np
import pytest

from mien.v1 import mien_pb2 as pb
from services import wire
from services.domain import ACTION_UNITS, Box, Classification, Detection, Face, Model, ModelVersion, Timings
from services.errors import Kind, MienError


def test_a_detection_comes_back_as_it_was() -> None:
    face = Face(Box(1.5, -2, 30, 40), 0.5, ((1.0, 2.0), (3.0, 4.0)), dict.fromkeys(ACTION_UNITS, 0.25))
    crops = np.random.default_rng(0).integers(0, 256, (2, 112, 112, 3), np.uint8)
    sent = Detection(640, 480, (face, Face(Box(0, 0, 1, 1), 1.0)), crops, Timings(4, 3, 2, 1))
    got = wire.detection_from_pb(wire.detection_to_pb(sent))
    assert (got.width, got.height, got.faces, got.timings) == (640, 480, sent.faces, sent.timings)
    np.testing.assert_array_equal(got.crops, crops)


def test_a_detection_without_faces_has_no_crops() -> None:
    sent = Detection(8, 8, (), np.zeros((0, 0, 0, 3), np.uint8))
    assert wire.detection_from_pb(wire.detection_to_pb(sent)).crops.shape == (0, 0, 0, 3)


def test_a_classification_comes_back_bit_for_bit() -> None:
    rows = np.random.default_rng(0).dirichlet(np.ones(7), 5).astype(np.float32)
    got = wire.classification_from_pb(wire.classification_to_pb(Classification(rows, ModelVersion("m", 3))))
    np.testing.assert_array_equal(got.probabilities, rows)
    assert got.model == ModelVersion("m", 3)


def test_a_model_keeps_its_card() -> None:
    model = Model(ModelVersion("m", 1), "expression_classifier", True, ("a", "b"), {"metrics": {"accuracy": 0.5}})
    assert wire.model_from_pb(wire.model_to_pb(model)) == model


@pytest.mark.parametrize(
    "crops",
    [
        [],
        [pb.FaceCrop(rgb=b"", side_px=0)],
        [pb.FaceCrop(rgb=bytes(15 * 15 * 3), side_px=15)],
        [pb.FaceCrop(rgb=bytes(16 * 16 * 3 - 1), side_px=16)],
        [pb.FaceCrop(rgb=bytes(16 * 16 * 3), side_px=16), pb.FaceCrop(rgb=bytes(17 * 17 * 3), side_px=17)],
        [pb.FaceCrop(rgb=b"", side_px=2**31)],
    ],
)
def test_crops_that_are_none_are_refused(crops: list[pb.FaceCrop]) -> None:
    with pytest.raises(MienError) as caught:
        wire.crops_from_pb(crops)
    assert caught.value.kind in (Kind.BAD_PARAMETER, Kind.MISSING_IMAGE)

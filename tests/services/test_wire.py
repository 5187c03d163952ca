"""Values survive the wire."""

from __future__ import annotations

import numpy as np
import pytest

from mien.v1 import mien_pb2 as pb
from services import wire, wire_generation
from services.domain import (
    ACTION_UNITS,
    Box,
    Classification,
    Detection,
    Face,
    Generation,
    Model,
    ModelVersion,
    Square,
    Target,
    Timings,
)
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
    assert got.evidence is None


def test_evidence_keeps_its_shape() -> None:
    random = np.random.default_rng(0)
    rows, cells = random.dirichlet(np.ones(7), 5).astype(np.float32), random.normal(size=(5, 7, 3, 4))
    sent = Classification(rows, ModelVersion("m", 3), evidence=cells.astype(np.float32))
    got = wire.classification_from_pb(wire.classification_to_pb(sent))
    assert got.evidence is not None
    np.testing.assert_array_equal(got.evidence, sent.evidence)


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


def test_a_face_keeps_its_square_to_the_last_bit() -> None:
    face = Face(Box(0, 0, 1, 1), 1.0, square=Square(1 / 3, 2 / 3, 100.1, -7.7))
    assert wire.face_from_pb(wire.face_to_pb(face)).square == face.square
    assert wire.face_from_pb(wire.face_to_pb(Face(Box(0, 0, 1, 1), 1.0))).square is None


@pytest.mark.parametrize("target", [Target("fear"), Target(action_units={"AU12": 0.5, "AU01": 0.25})])
def test_a_target_comes_back_as_it_was(target: Target) -> None:
    assert wire_generation.target_from_pb(pb.GenerateRequest(**wire_generation.target_to_pb(target))) == target


@pytest.mark.parametrize(
    "request_",
    [
        pb.GenerateRequest(),
        pb.GenerateRequest(expression=pb.EXPRESSION_UNSPECIFIED),
        pb.GenerateRequest(expression=99),  # type: ignore[arg-type]
        pb.GenerateRequest(**wire_generation.target_to_pb(Target("joy"))),
        pb.GenerateRequest(action_units=pb.ActionUnits(intensities=[0.5] * 16)),
    ],
)
def test_a_target_that_is_none_is_refused(request_: pb.GenerateRequest) -> None:
    with pytest.raises(MienError) as caught:
        wire_generation.target_from_pb(request_)
    assert caught.value.kind is Kind.BAD_PARAMETER


def test_a_generation_comes_back_frame_by_frame() -> None:
    random = np.random.default_rng(0)
    sent = Generation(
        random.integers(0, 256, (3, 2, 128, 128, 3), np.uint8),
        random.integers(0, 256, (3, 2, 128, 128), np.uint8),
        random.random((3, 2, len(ACTION_UNITS)), np.float32),
        ModelVersion("expression_generator", 2),
        Timings(4, 3, 2, 1),
    )
    got = wire_generation.generation_from_pb(wire_generation.generation_to_pb(sent), steps=3)
    np.testing.assert_array_equal(got.rendered, sent.rendered)
    np.testing.assert_array_equal(got.masks, sent.masks)
    np.testing.assert_array_equal(got.wanted, sent.wanted)
    assert (got.model, got.timings) == (sent.model, sent.timings)

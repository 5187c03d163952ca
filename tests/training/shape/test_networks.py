"""The served graph: the frame is exact, a row depends on itself alone, quality falls with error and with hiding."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from training.clay.corpus import MIRROR
from training.shape.frame import WEIGHT, of_network, served
from training.shape.networks import Landmarker


def shape() -> np.ndarray:
    return np.random.default_rng(0).uniform(0.1, 0.9, (68, 2)).astype(np.float32)


@pytest.mark.parametrize("roll_deg", [0.0, 25.0, -70.0, 130.0])
def test_the_frame_is_the_square_in_which_the_shape_was_given(network: Landmarker, roll_deg: float) -> None:
    turn = np.radians(roll_deg)
    matrix = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    moved = (shape() - 0.5) * 0.7 @ matrix.T + (0.55, 0.4)
    frame = served(network, shape()).frame(torch.from_numpy(moved[None].astype(np.float32)))[0]
    np.testing.assert_allclose(frame.numpy(), [0.55, 0.4, 0.7, roll_deg], atol=1e-3)


def test_the_frame_has_the_least_weighted_squared_distance(network: Landmarker) -> None:
    random = np.random.default_rng(1)
    landmarks = (shape() * 0.6 + 0.2 + random.normal(0, 0.05, (68, 2))).astype(np.float32)
    best = served(network, shape()).frame(torch.from_numpy(landmarks[None]))[0].numpy()

    def distance(frame: np.ndarray) -> float:
        turn = np.radians(frame[3])
        matrix = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
        laid = (shape() - 0.5) * frame[2] @ matrix.T + frame[:2]
        return float((((laid - landmarks) ** 2).sum(1) * WEIGHT).sum())

    for step in np.eye(4) * (0.01, 0.01, 0.01, 1.0):
        assert distance(best) < min(distance(best + step), distance(best - step))


def test_a_row_depends_on_itself_alone_and_on_luma_alone(network: Landmarker) -> None:
    model = of_network(served(network, shape()))
    faces = np.random.default_rng(0).integers(0, 256, (5, 112, 112, 3), np.uint8)
    together = model(faces)
    for name, found in model(faces[2:3]).items():
        np.testing.assert_allclose(found[0], together[name][2], atol=1e-4 if name != "frame" else 1e-2)
    grey = np.full((1, 112, 112, 3), 0, np.uint8)
    grey[:, 30:80, 40:90] = 76
    red = np.zeros_like(grey)
    red[:, 30:80, 40:90, 0] = 254  # its luma is 76 too
    np.testing.assert_allclose(model(red)["action_units"], model(grey)["action_units"], atol=1e-2)


def test_a_mirrored_face_is_read_alike(network: Landmarker) -> None:
    model = of_network(served(network, shape()))
    faces = np.random.default_rng(2).integers(0, 256, (3, 112, 112, 3), np.uint8)
    found, mirrored = model(faces), model(np.ascontiguousarray(faces[:, :, ::-1]))
    np.testing.assert_allclose(mirrored["action_units"], found["action_units"], atol=1e-5)
    np.testing.assert_allclose(mirrored["quality"], found["quality"], atol=1e-5)
    np.testing.assert_allclose(mirrored["landmarks"][:, MIRROR] * (-1, 1) + (1, 0), found["landmarks"], atol=1e-4)


def test_landmarks_may_lie_a_little_outside_the_crop(network: Landmarker) -> None:
    heat = torch.zeros(1, 68, 32, 32)
    heat[:, :34, 0, 31] = 1.0
    heat[:, 34:, 16, 2] = 1.0
    places, spread = network.expectation(heat)
    np.testing.assert_allclose(places[0, 0].numpy(), [1 + 1.5 / 28, -1.5 / 28], atol=1e-5)
    np.testing.assert_allclose(places[0, 40].numpy(), [0.5 / 28, 14.5 / 28], atol=1e-5)
    assert float(spread.max()) < 1e-3


def test_quality_falls_with_the_expected_error_and_with_what_is_hidden(network: Landmarker) -> None:
    model = served(network, shape())
    answers = (
        torch.zeros(4, 68, 2),
        torch.zeros(4, 17),
        torch.tensor([3.0, 3.0, 3.0, -3.0]),
        torch.tensor([-5.0, -3, 1, -5]),
        torch.zeros(4, 17),
    )
    both = tuple(torch.cat([each, each]) for each in answers)  # the mirror images are read alike
    model.network.forward = lambda _: both  # type: ignore[method-assign]
    quality = model(torch.zeros(4, 112, 112, 3, dtype=torch.uint8))[2][:, 0]
    assert quality[0] > 0.8 > quality[1] > 0.3 > quality[2]
    assert quality[3] < 0.1


def test_the_network_is_small(network: Landmarker) -> None:
    assert sum(weight.numel() for weight in network.parameters()) < 5_000_000

"""Scores against numbers found by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest

from training import calibration, metrics
from training.data.faces import FaceTable
from training.evaluate import as_served, evaluate, of_file, predict

LABELS = np.array([0, 0, 0, 1, 1, 2])
PREDICTED = np.array([0, 0, 1, 1, 0, 2])


def sure(predicted: np.ndarray, confidence: float) -> np.ndarray:
    """Rows with `confidence` in the predicted class and the rest spread evenly."""
    table = np.full((len(predicted), 7), (1 - confidence) / 6, np.float32)
    table[np.arange(len(predicted)), predicted] = confidence
    return table


def test_the_scores_are_those_found_by_hand() -> None:
    found = evaluate(LABELS, sure(PREDICTED, 0.7))
    assert found.accuracy == pytest.approx(4 / 6)
    assert found.accuracy_interval == pytest.approx((0.29999, 0.90323), abs=1e-4)
    neutral, happiness, surprise = (found.classes[name] for name in ("neutral", "happiness", "surprise"))
    assert (neutral.support, neutral.precision, neutral.recall) == (3, pytest.approx(2 / 3), pytest.approx(2 / 3))
    assert (happiness.precision, happiness.recall, happiness.f1) == (0.5, 0.5, 0.5)
    assert surprise.f1 == 1.0
    assert found.macro_f1 == pytest.approx((2 / 3 + 1 / 2 + 1) / 3)
    assert found.macro_recall == pytest.approx((2 / 3 + 1 / 2 + 1) / 3)
    assert np.array(found.confusion)[:3, :3].tolist() == [[2, 1, 0], [1, 1, 0], [0, 0, 1]]
    assert found.calibration_error == pytest.approx(0.7 - 4 / 6, abs=1e-6)
    assert found.negative_log_likelihood == pytest.approx(-(4 * math.log(0.7) + 2 * math.log(0.05)) / 6, abs=1e-5)


def test_an_expression_without_rows_never_scores_1() -> None:
    found = evaluate(LABELS, sure(LABELS, 0.9))
    for name in ("sadness", "anger", "disgust", "fear"):
        result = found.classes[name]
        assert (result.support, result.precision, result.recall, result.f1) == (0, None, None, None)
        assert result.recall_interval == (0.0, 1.0)
    assert found.macro_f1 == 1.0, "over the expressions that have rows"


def test_the_interval_of_macro_f1_holds_it() -> None:
    labels = np.arange(70) % 7
    predicted = np.where(np.arange(70) % 5 == 0, 0, labels)
    found = evaluate(labels, sure(predicted, 0.6))
    low, high = found.macro_f1_interval
    assert low < found.macro_f1 < high


def test_nothing_to_evaluate_is_an_error() -> None:
    with pytest.raises(ValueError, match="no rows"):
        evaluate(np.array([], int), np.empty((0, 7), np.float32))
    with pytest.raises(ValueError, match="shape"):
        evaluate(LABELS, np.ones((6, 8), np.float32))


def drawn(count: int, temperature: float) -> tuple[np.ndarray, np.ndarray]:
    """Labels drawn from true probabilities, and those probabilities made too sure by `temperature`."""
    random = np.random.default_rng(0)
    logits = random.normal(0, 1.5, (count, 7))
    true = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    labels = (true.cumsum(1) > random.random((count, 1))).argmax(1)
    return labels, calibration.apply(true.astype(np.float32), 1 / temperature)


def test_the_temperature_that_was_put_in_is_found() -> None:
    labels, overconfident = drawn(4000, 2.0)
    assert calibration.fit(labels, overconfident) == pytest.approx(2.0, rel=0.1)
    found = evaluate(labels, overconfident)
    assert found.calibration_error > 0.1
    assert found.calibrated_error < 0.04
    assert (calibration.apply(overconfident, 2.0).argmax(1) == overconfident.argmax(1)).all()


def test_no_row_is_scored_with_a_temperature_that_it_helped_to_find() -> None:
    labels, probabilities = drawn(40, 2.0)
    before = calibration.cross_fit(labels, probabilities)
    for row in range(10):
        changed = labels.copy()
        changed[row] = (changed[row] + 1) % 7
        assert np.array_equal(calibration.cross_fit(changed, probabilities)[row], before[row])


def test_calibration_takes_out_what_it_put_in() -> None:
    _, probabilities = drawn(20, 1.3)
    again = calibration.apply(calibration.apply(probabilities, 1.7), 1 / 1.7)
    assert np.allclose(again, probabilities, atol=1e-5)


def test_a_small_face_is_enlarged_with_half_pixel_centres_and_made_rgb() -> None:
    face = np.zeros((1, 2, 2), np.uint8)
    face[0, :, 1] = 200
    found = as_served(face, 4)
    assert found.shape == (1, 4, 4, 3)
    assert found[0, 0, :, 0].tolist() == [0, 50, 150, 200]
    assert (found[..., 0] == found[..., 2]).all()


def test_faces_are_predicted_in_order_and_in_parts(exported, faces: FaceTable) -> None:  # type: ignore[no-untyped-def]
    model = of_file(exported, threads=1)
    together = predict(model, faces)
    assert together.shape == (42, 7)
    assert np.allclose(together[35:36], predict(model, faces.take(np.array([35]))), atol=1e-6)


def test_a_bin_of_reliability_holds_its_rows() -> None:
    bins = metrics.reliability(LABELS, sure(PREDICTED, 0.7))
    assert bins == [(pytest.approx(0.7), pytest.approx(4 / 6), 6)]

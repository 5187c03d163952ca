"""How good a classifier is, measured through the contract that it is served by.

Faces reach a served network as uint8 RGB of 112x112 px, so they do here too: luma is enlarged with OpenCV's
bilinear (what the services do to a small crop), rounded to bytes and repeated as R, G and B. A torch network and an
exported file are both a function `[n, side, side, 3] uint8 → [n, 7] float32`, and scored by the same code.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from training import calibration, metrics
from training.arm.networks import FACE_PX
from training.data.faces import EXPRESSIONS, FaceTable

Probabilities = Callable[[NDArray[np.uint8]], NDArray[np.float32]]


@dataclass(frozen=True, slots=True)
class ClassResult:
    """One expression: rows, precision, recall, F1 (None where there is nothing to divide by), and the recall's 95 %
    Wilson interval."""

    support: int
    precision: float | None
    recall: float | None
    f1: float | None
    recall_interval: tuple[float, float]


@dataclass(frozen=True, slots=True)
class Evaluation:
    """Scores of one classifier on `rows` faces; all in [0, 1] but the likelihood and the temperature.

    Attributes:
        accuracy_interval: 95 % Wilson score interval. `macro_f1_interval`: 95 % bootstrap over rows.
        macro_f1, macro_recall: means over the expressions that have rows.
        negative_log_likelihood: mean -log p of the true expression, in nats.
        calibration_error: expected calibration error (15 bins) of the probabilities as they are.
        calibrated_error: the same after temperature scaling, cross-fitted in two halves: no row was scored with a
            temperature that it helped to find.
        temperature: fitted on all rows; what an export of this network uses.
        classes: by name, in the order of `EXPRESSIONS`. `confusion`: counts, rows true, columns predicted.
        reliability: (mean confidence, accuracy, count) of each bin that has rows, after the cross-fitted scaling.
    """

    rows: int
    accuracy: float
    accuracy_interval: tuple[float, float]
    macro_f1: float
    macro_f1_interval: tuple[float, float]
    macro_recall: float
    negative_log_likelihood: float
    calibration_error: float
    calibrated_error: float
    temperature: float
    classes: dict[str, ClassResult]
    confusion: list[list[int]]
    reliability: list[tuple[float, float, int]]


def evaluate(labels: NDArray[np.int64], probabilities: NDArray[np.float32]) -> Evaluation:
    """Score `[n, 7]` probabilities against `[n]` labels.

    Raises:
        ValueError: no rows, or shapes that do not fit.
    """
    if len(labels) == 0:
        raise ValueError("there are no rows to evaluate")
    if probabilities.shape != (len(labels), len(EXPRESSIONS)):
        raise ValueError(f"{len(labels)} labels but probabilities of shape {probabilities.shape}")
    predicted = probabilities.argmax(1)
    counts = metrics.confusion(labels, predicted, len(EXPRESSIONS))
    scores, hits = metrics.class_scores(counts), int(counts.trace())
    calibrated = calibration.cross_fit(labels, probabilities)
    intervals = [metrics.wilson_interval(int(counts[i, i]), int(counts[i].sum())) for i in range(len(scores))]
    return Evaluation(
        rows=len(labels),
        accuracy=hits / len(labels),
        accuracy_interval=metrics.wilson_interval(hits, len(labels)),
        macro_f1=metrics.macro([score.f1 for score in scores]),
        macro_f1_interval=metrics.bootstrap_interval(labels, predicted, len(EXPRESSIONS)),
        macro_recall=metrics.macro([score.recall for score in scores]),
        negative_log_likelihood=calibration.negative_log_likelihood(labels, probabilities),
        calibration_error=metrics.calibration_error(labels, probabilities),
        calibrated_error=metrics.calibration_error(labels, calibrated),
        temperature=calibration.fit(labels, probabilities),
        classes={
            name: ClassResult(score.support, score.precision, score.recall, score.f1, interval)
            for name, score, interval in zip(EXPRESSIONS, scores, intervals, strict=True)
        },
        confusion=counts.tolist(),
        reliability=metrics.reliability(labels, calibrated),
    )


def as_served(faces: NDArray[np.uint8], side_px: int = FACE_PX) -> NDArray[np.uint8]:
    """Luma `[n, side, side] uint8` → what a service sends, `[n, side_px, side_px, 3] uint8` RGB."""
    side = faces.shape[1]
    if side != side_px:
        how = cv2.INTER_LINEAR if side < side_px else cv2.INTER_AREA
        faces = np.stack([cv2.resize(face, (side_px, side_px), interpolation=how) for face in faces]).astype(np.uint8)
    return np.repeat(faces[..., None], 3, axis=3)


def predict(probabilities: Probabilities, table: FaceTable, side_px: int = FACE_PX) -> NDArray[np.float32]:
    """Probabilities `[n, 7]` of every face of a table, in order, 32 at a time."""
    parts = [probabilities(as_served(table.faces[at : at + 32], side_px)) for at in range(0, len(table), 32)]
    return np.concatenate(parts) if parts else np.empty((0, len(EXPRESSIONS)), np.float32)


def of_network(served: nn.Module, device: torch.device | None = None) -> Probabilities:
    """A served torch network (`training.arm.networks.served`) as a function of faces."""
    where = device or torch.device("cpu")
    served = served.to(where).eval()

    @torch.inference_mode()
    def probabilities(faces: NDArray[np.uint8]) -> NDArray[np.float32]:
        return served(torch.from_numpy(faces).to(where))[0].float().cpu().numpy()

    return probabilities


def of_file(path: Path, threads: int = 0) -> Probabilities:
    """An exported ONNX file as a function of faces, on the CPU. `threads`: 0 lets onnxruntime choose.

    Raises:
        FileNotFoundError: no such file.
    """
    import onnxruntime

    if not path.exists():
        raise FileNotFoundError(f"no model at {path}: export one first (mien export CONFIG)")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name

    def probabilities(faces: NDArray[np.uint8]) -> NDArray[np.float32]:
        return session.run(["probabilities"], {name: faces})[0]

    return probabilities

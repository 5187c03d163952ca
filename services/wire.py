"""Domain values ↔ protobuf messages. Pure translation: no defaults are invented, no error is swallowed."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from mien.v1 import mien_pb2 as pb
from services.domain import (
    ACTION_UNITS,
    EXPRESSIONS,
    RGB,
    Box,
    Classification,
    ClassifiedFace,
    Detection,
    Explanation,
    Face,
    Model,
    ModelVersion,
    Reading,
    Square,
    Timings,
)
from services.errors import Kind, MienError


def face_to_pb(face: Face) -> pb.Face:
    box, square = face.box, face.square
    return pb.Face(
        box=pb.Box(x=box.x, y=box.y, width=box.width, height=box.height),
        score=face.score,
        landmarks=[pb.Point(x=x, y=y) for x, y in face.landmarks],
        action_units=units_to_pb(face.action_units) if face.action_units else None,
        square=pb.FaceSquare(
            centre_x=square.centre_x, centre_y=square.centre_y, side=square.side, roll_deg=square.roll_deg
        )
        if square
        else None,
    )


def face_from_pb(face: pb.Face) -> Face:
    box, square = face.box, face.square
    return Face(
        Box(box.x, box.y, box.width, box.height),
        face.score,
        tuple((point.x, point.y) for point in face.landmarks),
        dict(zip(ACTION_UNITS, face.action_units.intensities, strict=False)),
        Square(square.centre_x, square.centre_y, square.side, square.roll_deg) if face.HasField("square") else None,
    )


def units_to_pb(units: Mapping[str, float]) -> pb.ActionUnits:
    """All 17, in order."""
    return pb.ActionUnits(intensities=[units[name] for name in ACTION_UNITS])


def crops_to_pb(crops: RGB) -> list[pb.FaceCrop]:
    """`[n, side, side, 3] uint8` → n messages."""
    return [pb.FaceCrop(rgb=crop.tobytes(), side_px=crop.shape[0]) for crop in crops]


def crops_from_pb(crops: Sequence[pb.FaceCrop]) -> RGB:
    """n messages of one side length → `[n, side, side, 3] uint8`.

    Raises:
        MienError: BAD_PARAMETER where a crop's bytes do not match its side, or sides differ, or a side is out of range.
    """
    if not crops:
        raise MienError(Kind.MISSING_IMAGE, "Send at least one face crop.", field="crops")
    side = crops[0].side_px
    if not 16 <= side <= 512:
        raise MienError(Kind.BAD_PARAMETER, "side_px must be from 16 to 512.", field="crops.side_px")
    if any(crop.side_px != side for crop in crops):
        raise MienError(
            Kind.BAD_PARAMETER, "All crops of one request must have the same side_px.", field="crops.side_px"
        )
    if any(len(crop.rgb) != side * side * 3 for crop in crops):
        raise MienError(Kind.BAD_PARAMETER, "rgb must hold exactly side_px * side_px * 3 bytes.", field="crops.rgb")
    joined = np.frombuffer(b"".join(crop.rgb for crop in crops), np.uint8)
    return joined.reshape(len(crops), side, side, 3)


def timings_to_pb(timings: Timings) -> pb.Timings:
    return pb.Timings(
        total_s=timings.total_s,
        detection_s=timings.detection_s,
        queue_s=timings.queue_s,
        inference_s=timings.inference_s,
    )


def timings_from_pb(timings: pb.Timings) -> Timings:
    return Timings(timings.total_s, timings.detection_s, timings.queue_s, timings.inference_s)


def version_to_pb(model: ModelVersion) -> pb.ModelVersion:
    return pb.ModelVersion(name=model.name, version=model.version)


def version_from_pb(model: pb.ModelVersion) -> ModelVersion:
    return ModelVersion(model.name, model.version)


def probabilities_to_pb(values: Iterable[float]) -> pb.Probabilities:
    return pb.Probabilities(**{name: float(value) for name, value in zip(EXPRESSIONS, values, strict=True)})


def probabilities_from_pb(message: pb.Probabilities) -> tuple[float, ...]:
    return tuple(getattr(message, name) for name in EXPRESSIONS)


def expression_to_pb(expression: str) -> pb.Expression:
    return pb.Expression.Value(f"EXPRESSION_{expression.upper()}")  # type: ignore[no-any-return]


def detection_to_pb(detection: Detection) -> pb.DetectResponse:
    return pb.DetectResponse(
        image=pb.ImageSize(width=detection.width, height=detection.height),
        faces=[face_to_pb(face) for face in detection.faces],
        crops=crops_to_pb(detection.crops),
        timings=timings_to_pb(detection.timings),
    )


def detection_from_pb(message: pb.DetectResponse) -> Detection:
    crops = crops_from_pb(message.crops) if message.crops else np.zeros((0, 0, 0, 3), np.uint8)
    return Detection(
        message.image.width,
        message.image.height,
        tuple(face_from_pb(face) for face in message.faces),
        crops,
        timings_from_pb(message.timings),
    )


def classification_to_pb(classification: Classification) -> pb.ClassifyResponse:
    evidence = classification.evidence
    return pb.ClassifyResponse(
        probabilities=[probabilities_to_pb(row) for row in classification.probabilities],
        model=version_to_pb(classification.model),
        timings=timings_to_pb(classification.timings),
        evidence=[evidence_to_pb(cells) for face in evidence for cells in face] if evidence is not None else [],
    )


def classification_from_pb(message: pb.ClassifyResponse) -> Classification:
    rows = np.array([probabilities_from_pb(row) for row in message.probabilities], np.float32)
    evidence = None
    if message.evidence:
        cells = np.array([each.values for each in message.evidence], np.float32)
        evidence = cells.reshape(len(rows), len(EXPRESSIONS), message.evidence[0].rows, message.evidence[0].columns)
    return Classification(rows, version_from_pb(message.model), timings_from_pb(message.timings), evidence)


def evidence_to_pb(cells: NDArray[np.float32]) -> pb.Evidence:
    """`[rows, columns]` → a message."""
    return pb.Evidence(values=cells.ravel().tolist(), rows=cells.shape[0], columns=cells.shape[1])


def classified_to_pb(face: ClassifiedFace) -> pb.ClassifiedFace:
    return pb.ClassifiedFace(
        face=face_to_pb(face.face),
        expression=expression_to_pb(face.expression),
        probabilities=probabilities_to_pb(face.probabilities),
        explanation=explanation_to_pb(face.explanation) if face.explanation else None,
    )


def explanation_to_pb(explanation: Explanation) -> pb.Explanation:
    return pb.Explanation(
        heat_map=explanation.heat_map,
        evidence=evidence_to_pb(explanation.evidence),
        action_units=pb.NamedActionUnits(intensities=dict(explanation.action_units)),
    )


def reading_to_pb(reading: Reading) -> pb.GatewayClassifyResponse:
    return pb.GatewayClassifyResponse(
        image=pb.ImageSize(width=reading.width, height=reading.height),
        faces=[classified_to_pb(face) for face in reading.faces],
        model=version_to_pb(reading.model),
        timings=timings_to_pb(reading.timings),
    )


def model_to_pb(model: Model) -> pb.Model:
    return pb.Model(
        model=version_to_pb(model.model),
        role=model.role,
        default=model.default,
        labels=model.labels,
        card_json=json.dumps(dict(model.card)),
    )


def model_from_pb(message: pb.Model) -> Model:
    card = json.loads(message.card_json) if message.card_json else {}
    return Model(version_from_pb(message.model), message.role, message.default, tuple(message.labels), card)


def models_from_pb(
    message: pb.ExpressionClassificationListModelsResponse | pb.ExpressionGenerationListModelsResponse,
) -> tuple[Model, ...]:
    return tuple(model_from_pb(model) for model in message.models)

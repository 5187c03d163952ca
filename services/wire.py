"""Domain values ↔ protobuf messages. Pure translation: no defaults are invented, no error is swallowed."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mien.v1 import mien_pb2 as pb
from services.domain import (
    ACTION_UNITS,
    EXPRESSIONS,
    RGB,
    Box,
    ChangedFace,
    Classification,
    ClassifiedFace,
    Detection,
    Face,
    Generation,
    Model,
    ModelVersion,
    Reading,
    Rendering,
    Square,
    Target,
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
    return pb.ClassifyResponse(
        probabilities=[probabilities_to_pb(row) for row in classification.probabilities],
        model=version_to_pb(classification.model),
        timings=timings_to_pb(classification.timings),
    )


def classification_from_pb(message: pb.ClassifyResponse) -> Classification:
    rows = np.array([probabilities_from_pb(row) for row in message.probabilities], np.float32)
    return Classification(rows, version_from_pb(message.model), timings_from_pb(message.timings))


def classified_to_pb(face: ClassifiedFace) -> pb.ClassifiedFace:
    return pb.ClassifiedFace(
        face=face_to_pb(face.face),
        expression=expression_to_pb(face.expression),
        probabilities=probabilities_to_pb(face.probabilities),
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


def target_from_pb(message: pb.GatewayGenerateRequest | pb.GenerateRequest) -> Target:
    """What faces shall show.

    Raises:
        MienError: BAD_PARAMETER: no target, an expression that the contract does not have, not 17 action units.
    """
    match message.WhichOneof("target"):
        case "expression":
            if not 1 <= message.expression <= len(EXPRESSIONS):
                raise MienError(
                    Kind.BAD_PARAMETER,
                    f"There is no such expression; there are {', '.join(EXPRESSIONS)}.",
                    field="expression",
                )
            return Target(EXPRESSIONS[message.expression - 1])
        case "action_units":
            return Target(action_units=dict(zip(ACTION_UNITS, _seventeen(message.action_units), strict=True)))
        case "named_action_units":
            return Target(action_units=dict(message.named_action_units.intensities))
    raise MienError(Kind.BAD_PARAMETER, "Name either an expression or action units.", field="expression")


def target_to_pb(target: Target) -> dict[str, Any]:
    """The field of a request's `target`, by its name."""
    if target.expression:
        known = target.expression in EXPRESSIONS  # the other side says what is wrong with one that is not
        return {"expression": expression_to_pb(target.expression if known else "unspecified")}
    return {"named_action_units": pb.NamedActionUnits(intensities=dict(target.action_units))}


def present_from_pb(units: Sequence[pb.ActionUnits]) -> NDArray[np.float32]:
    """n messages → `[n, 17] float32`.

    Raises:
        MienError: BAD_PARAMETER: not 17 each.
    """
    return np.array([_seventeen(each) for each in units], np.float32).reshape(len(units), len(ACTION_UNITS))


def rows_to_pb(units: NDArray[np.float32]) -> list[pb.ActionUnits]:
    """`[n, 17]` → n messages."""
    return [pb.ActionUnits(intensities=row.tolist()) for row in units]


def generation_to_pb(generation: Generation) -> pb.GenerateResponse:
    rows = generation.rendered.reshape(-1, *generation.rendered.shape[2:])
    return pb.GenerateResponse(
        crops=crops_to_pb(rows),
        model=version_to_pb(generation.model),
        timings=timings_to_pb(generation.timings),
        masks=[mask.tobytes() for mask in generation.masks.reshape(-1, *generation.masks.shape[2:])],
        wanted=rows_to_pb(generation.wanted.reshape(-1, len(ACTION_UNITS))),
    )


def generation_from_pb(message: pb.GenerateResponse, steps: int) -> Generation:
    crops = crops_from_pb(message.crops)
    shape = (steps, len(crops) // steps, *crops.shape[1:])
    masks = np.frombuffer(b"".join(message.masks), np.uint8).reshape(shape[:-1])
    wanted = present_from_pb(message.wanted).reshape(*shape[:2], len(ACTION_UNITS))
    return Generation(
        crops.reshape(shape), masks, wanted, version_from_pb(message.model), timings_from_pb(message.timings)
    )


def changed_to_pb(face: ChangedFace) -> pb.GeneratedFace:
    return pb.GeneratedFace(
        index=face.index,
        wanted=[units_to_pb(units) for units in face.wanted],
        measured=units_to_pb(face.measured) if face.measured else None,
        before=probabilities_to_pb(face.before) if face.before else None,
        after=probabilities_to_pb(face.after) if face.after else None,
    )


def rendering_to_pb(rendering: Rendering, stepwise: bool) -> pb.GatewayGenerateResponse:
    """Its one picture, or its frames where it was asked for in steps."""
    frames = [
        pb.GeneratedFrame(image=image, amount=amount)
        for image, amount in zip(rendering.files, rendering.amounts, strict=True)
    ]
    return pb.GatewayGenerateResponse(
        image=b"" if stepwise else rendering.files[0],
        faces=[face_to_pb(changed.face) for changed in rendering.faces],
        model=version_to_pb(rendering.model),
        timings=timings_to_pb(rendering.timings),
        frames=frames if stepwise else [],
        changes=[changed_to_pb(changed) for changed in rendering.faces],
    )


def _seventeen(units: pb.ActionUnits) -> Sequence[float]:
    if len(units.intensities) != len(ACTION_UNITS):
        raise MienError(
            Kind.BAD_PARAMETER, f"Give {len(ACTION_UNITS)} action units, in their order.", field="action_units"
        )
    return list(units.intensities)

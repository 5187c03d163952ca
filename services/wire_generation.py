"""As `services.wire`, of what has to do with rendering expressions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mien.v1 import mien_pb2 as pb
from services import wire
from services.domain import ACTION_UNITS, EXPRESSIONS, ChangedFace, Generation, Rendering, Target
from services.errors import Kind, MienError


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
        return {"expression": wire.expression_to_pb(target.expression if known else "unspecified")}
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
        crops=wire.crops_to_pb(rows),
        model=wire.version_to_pb(generation.model),
        timings=wire.timings_to_pb(generation.timings),
        masks=[mask.tobytes() for mask in generation.masks.reshape(-1, *generation.masks.shape[2:])],
        wanted=rows_to_pb(generation.wanted.reshape(-1, len(ACTION_UNITS))),
    )


def generation_from_pb(message: pb.GenerateResponse, steps: int) -> Generation:
    crops = wire.crops_from_pb(message.crops)
    shape = (steps, len(crops) // steps, *crops.shape[1:])
    masks = np.frombuffer(b"".join(message.masks), np.uint8).reshape(shape[:-1])
    wanted = present_from_pb(message.wanted).reshape(*shape[:2], len(ACTION_UNITS))
    return Generation(
        crops.reshape(shape), masks, wanted, wire.version_from_pb(message.model), wire.timings_from_pb(message.timings)
    )


def changed_to_pb(face: ChangedFace) -> pb.GeneratedFace:
    return pb.GeneratedFace(
        index=face.index,
        wanted=[wire.units_to_pb(units) for units in face.wanted],
        measured=wire.units_to_pb(face.measured) if face.measured else None,
        before=wire.probabilities_to_pb(face.before) if face.before else None,
        after=wire.probabilities_to_pb(face.after) if face.after else None,
    )


def rendering_to_pb(rendering: Rendering, stepwise: bool) -> pb.GatewayGenerateResponse:
    """Its one picture, or its frames where it was asked for in steps."""
    frames = [
        pb.GeneratedFrame(image=image, amount=amount)
        for image, amount in zip(rendering.files, rendering.amounts, strict=True)
    ]
    return pb.GatewayGenerateResponse(
        image=b"" if stepwise else rendering.files[0],
        faces=[wire.face_to_pb(changed.face) for changed in rendering.faces],
        model=wire.version_to_pb(rendering.model),
        timings=wire.timings_to_pb(rendering.timings),
        frames=frames if stepwise else [],
        changes=[changed_to_pb(changed) for changed in rendering.faces],
    )


def _seventeen(units: pb.ActionUnits) -> Sequence[float]:
    if len(units.intensities) != len(ACTION_UNITS):
        raise MienError(
            Kind.BAD_PARAMETER, f"Give {len(ACTION_UNITS)} action units, in their order.", field="action_units"
        )
    return list(units.intensities)

"""Building the requests of the contract from what callers have: a photo's bytes, and what they want of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypedDict

from mien.v1 import mien_pb2 as pb

MAX_MESSAGE_BYTES = 64 * 1024 * 1024
CHANNEL_OPTIONS = (
    ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES),
    ("grpc.max_send_message_length", MAX_MESSAGE_BYTES),
    # gRPC's own pauses grow to two minutes: so long would a gateway that is back wait for its first call
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 1000),
)


class Wish(TypedDict, total=False):
    """What is wanted of a photo. All have defaults, but an expression or action units must be named.

    Attributes:
        expression: neutral, happiness, surprise, sadness, anger, disgust or fear; or else give `action_units`.
        action_units: intensities in [0, 1] by name, "AU12" for one; the others stay as each face has them.
        intensity: in [0, 1]: how far to go; 1 where absent.
        face: from left to right, from 0; None: every face that could be read.
        steps: 2 to 32: so many pictures in `frames`, from 1 ÷ steps of the way to all of it; 0: one in `image`.
        model: a name; empty: the default one.
        jpeg: JPEG instead of PNG.
        measure: whether the result is read again; not in steps.
    """

    expression: str
    action_units: Mapping[str, float] | None
    intensity: float
    face: int | None
    steps: int
    model: str
    jpeg: bool
    measure: bool


def classify(image: bytes, *, model: str, whole_picture: bool, explain: bool = False) -> pb.GatewayClassifyRequest:
    """Every face of a photo and what it shows; `explain`: and what in it speaks for that."""
    return pb.GatewayClassifyRequest(image=image, model=model, whole_picture=whole_picture, explain=explain)


def detect(image: bytes) -> pb.GatewayDetectRequest:
    """Every face of a photo."""
    return pb.GatewayDetectRequest(image=image)


def generate(image: bytes, wish: Wish) -> pb.GatewayGenerateRequest:
    """The photo with another expression on its faces."""
    request = pb.GatewayGenerateRequest(
        image=image,
        strength=wish.get("intensity", 1.0),
        face=wish.get("face"),
        steps=wish.get("steps", 0),
        model=wish.get("model", ""),
        format=pb.PICTURE_FORMAT_JPEG if wish.get("jpeg") else pb.PICTURE_FORMAT_PNG,
        measure=wish.get("measure", False),
    )
    expression, action_units = wish.get("expression", ""), wish.get("action_units")
    if action_units is not None and not expression:
        request.named_action_units.intensities.update(action_units)
        request.named_action_units.SetInParent()
    elif action_units is None:
        # an unknown name goes as no expression at all: the gateway says what there is
        request.expression = dict(pb.Expression.items()).get(f"EXPRESSION_{expression.upper()}", 0)
    return request

"""The gRPC client: a photo's bytes in, the contract's messages out. Needs nothing but `pip install mien`.

with Client("127.0.0.1:50051") as client:
    reply = client.classify(Path("photo.jpg").read_bytes())
    for face in reply.faces:
        print(face.face.box, face.probabilities.happiness)
"""

from __future__ import annotations

from collections.abc import Mapping
from types import TracebackType
from typing import Any

import grpc

from mien.v1 import mien_pb2 as pb
from mien.v1 import mien_pb2_grpc

_MAX_MESSAGE_BYTES = 64 * 1024 * 1024


class CallError(Exception):
    """A call that failed.

    Attributes:
        code: the stable reason, such as `not_an_image`, or the gRPC status's name where no Mien service answered.
        detail: one sentence on what to do.
    """

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(f"{detail} ({code})")
        self.code = code
        self.detail = detail


class Client:
    """One channel to a gateway; safe to share between threads. `timeout_s` is each call's deadline."""

    def __init__(self, address: str = "127.0.0.1:50051", *, timeout_s: float = 30.0) -> None:
        size = (
            ("grpc.max_receive_message_length", _MAX_MESSAGE_BYTES),
            ("grpc.max_send_message_length", _MAX_MESSAGE_BYTES),
        )
        self._channel = grpc.insecure_channel(address, options=size)
        self._stub = mien_pb2_grpc.GatewayStub(self._channel)
        self._timeout_s = timeout_s

    def classify(self, image: bytes, *, model: str = "", whole_picture: bool = False) -> pb.GatewayClassifyResponse:
        """Every face of a photo and what it shows.

        Raises:
            CallError: with the reason.
        """
        request = pb.GatewayClassifyRequest(image=image, model=model, whole_picture=whole_picture)
        reply: pb.GatewayClassifyResponse = self._call(self._stub.Classify, request)
        return reply

    def detect(self, image: bytes) -> pb.GatewayDetectResponse:
        """Every face of a photo."""
        reply: pb.GatewayDetectResponse = self._call(self._stub.Detect, pb.GatewayDetectRequest(image=image))
        return reply

    def generate(
        self,
        image: bytes,
        *,
        expression: str = "",
        action_units: Mapping[str, float] | None = None,
        intensity: float = 1.0,
        face: int | None = None,
        steps: int = 0,
        model: str = "",
        jpeg: bool = False,
        measure: bool = False,
    ) -> pb.GatewayGenerateResponse:
        """The photo with another expression on its faces, marked as synthetic; PNG, or JPEG where asked for.

        Args:
            expression: neutral, happiness, surprise, sadness, anger, disgust or fear; or else give `action_units`.
            action_units: intensities in [0, 1] by name, "AU12" for one; the others stay as each face has them.
            intensity: in [0, 1]: how far to go.
            face: from left to right, from 0; None: every face that could be read.
            steps: 2 to 32: so many pictures in `frames`, from 1 ÷ steps of the way to all of it; 0: one in `image`.
            measure: whether the result is read again; not in steps.

        Raises:
            CallError: with the reason.
        """
        request = pb.GatewayGenerateRequest(
            image=image,
            strength=intensity,
            face=face,
            steps=steps,
            model=model,
            format=pb.PICTURE_FORMAT_JPEG if jpeg else pb.PICTURE_FORMAT_PNG,
            measure=measure,
        )
        if action_units is not None and not expression:
            request.named_action_units.intensities.update(action_units)
            request.named_action_units.SetInParent()
        elif action_units is None:
            # an unknown name goes as no expression at all: the gateway says what there is
            request.expression = dict(pb.Expression.items()).get(f"EXPRESSION_{expression.upper()}", 0)
        reply: pb.GatewayGenerateResponse = self._call(self._stub.Generate, request)
        return reply

    def models(self) -> pb.ListModelsResponse:
        """The models that the gateway can be asked for."""
        reply: pb.ListModelsResponse = self._call(self._stub.ListModels, pb.ListModelsRequest())
        return reply

    def close(self) -> None:
        self._channel.close()

    def __enter__(self) -> Client:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _call(self, method: Any, request: Any) -> Any:
        try:
            return method(request, timeout=self._timeout_s)
        except grpc.RpcError as error:
            raise CallError(_reason(error), error.details() or "The call failed.") from None


def _reason(error: grpc.RpcError) -> str:
    """The stable reason in the rich status, if a Mien service sent one."""
    for key, value in error.trailing_metadata() or ():
        if key == "grpc-status-details-bin":
            from google.rpc import error_details_pb2, status_pb2

            info = error_details_pb2.ErrorInfo()
            for detail in status_pb2.Status.FromString(value).details:
                if detail.Unpack(info):
                    return str(info.reason)
    return str(error.code().name.lower())

"""gRPC of the detection service: the servicer, and the client that satisfies `domain.Detector` from afar."""

from __future__ import annotations

import grpc

from mien.v1 import mien_pb2 as pb
from mien.v1 import mien_pb2_grpc
from services import wire
from services.chassis import rpc
from services.domain import Detection, Detector
from services.errors import Kind, MienError

NAMES = ("mien.v1.FaceDetection",)


class Servicer(mien_pb2_grpc.FaceDetectionServicer):
    def __init__(self, detector: Detector) -> None:
        self._detector = detector

    async def Detect(self, request: pb.DetectRequest, context: grpc.aio.ServicerContext) -> pb.DetectResponse:
        if request.crop_px and not 16 <= request.crop_px <= 512:
            raise MienError(Kind.BAD_PARAMETER, "crop_px must be 0 or from 16 to 512.", field="crop_px")
        detection = await self._detector.detect(
            request.image, whole_picture=request.whole_picture, crop_px=request.crop_px
        )
        return wire.detection_to_pb(detection)


class RemoteDetector:
    """A detection service at the other end of a channel."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self._stub = mien_pb2_grpc.FaceDetectionStub(channel)

    async def detect(self, image: bytes, *, whole_picture: bool = False, crop_px: int = 0) -> Detection:
        request = pb.DetectRequest(image=image, whole_picture=whole_picture, crop_px=crop_px)
        return wire.detection_from_pb(await rpc.call(self._stub.Detect, request))


def register(detector: Detector, server: grpc.aio.Server) -> None:
    mien_pb2_grpc.add_FaceDetectionServicer_to_server(Servicer(detector), server)

"""gRPC of the detection service: the servicer, and the client that satisfies `domain.Detector` from afar."""

from __future__ import annotations

from dataclasses import astuple

import grpc
import numpy as np

from mien.v1 import mien_pb2 as pb
from mien.v1 import mien_pb2_grpc
from services import wire
from services.chassis.links import Link
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

    def __init__(self, channel: grpc.aio.Channel, link: Link) -> None:
        self._stub, self._link = mien_pb2_grpc.FaceDetectionStub(channel), link

    async def detect(self, image: bytes, *, whole_picture: bool = False, crop_px: int = 0) -> Detection:
        request = pb.DetectRequest(image=image, whole_picture=whole_picture, crop_px=crop_px)

        def read(reply: pb.DetectResponse) -> Detection:
            detection = wire.detection_from_pb(reply)
            found = (len(detection.faces), crop_px, crop_px, 3)
            if not (detection.width and detection.height) or (crop_px and found[0] and detection.crops.shape != found):
                raise ValueError("no picture, or not a crop of each face")
            if not np.isfinite([[*astuple(face.box), face.score] for face in detection.faces]).all():
                raise ValueError("a box that is nowhere")
            return detection

        return await self._link.call(self._stub.Detect, request, read)


def register(detector: Detector, server: grpc.aio.Server) -> None:
    mien_pb2_grpc.add_FaceDetectionServicer_to_server(Servicer(detector), server)

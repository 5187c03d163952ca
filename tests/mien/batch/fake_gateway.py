"""A gateway for the batch client: the real contract on a real socket, and answers made from a hash of the bytes."""

from __future__ import annotations

import hashlib
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import grpc

from mien.tables import EXPRESSIONS
from mien.v1 import mien_pb2 as pb
from mien.v1 import mien_pb2_grpc
from tests.stack import free_ports

WINDOW = 4


@dataclass(slots=True)
class Gateway(mien_pb2_grpc.GatewayServicer):
    """Answers until it is told to stop; may start again on its port. `meet` is called with the count of each item."""

    version: int = 1
    delay_s: float = 0.0
    meet: Callable[[int], None] = lambda number: None
    address: str = field(default_factory=lambda: f"127.0.0.1:{free_ports(1)[0]}")
    asked: Counter[bytes] = field(default_factory=Counter)
    _server: grpc.Server | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def start(self) -> Gateway:
        # without SO_REUSEPORT a forgotten server on the port would be an error, not a second voice
        server = grpc.server(ThreadPoolExecutor(8), options=[("grpc.so_reuseport", 0)])
        mien_pb2_grpc.add_GatewayServicer_to_server(self, server)
        server.add_insecure_port(self.address)
        server.start()
        self._server = server
        return self

    def stop(self) -> None:
        """At once, as a kill would: what is under way breaks."""
        if self._server is not None:
            self._server.stop(None).wait()
            self._server = None

    def __enter__(self) -> Gateway:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    def ListModels(  # noqa: N802
        self, request: pb.ListModelsRequest, context: grpc.ServicerContext
    ) -> pb.ListModelsResponse:
        model = pb.Model(model=self._model(), role="expression_classifier", default=True)
        return pb.ListModelsResponse(models=[model])

    def ClassifyStream(  # noqa: N802
        self, requests: Iterator[pb.GatewayClassifyStreamRequest], context: grpc.ServicerContext
    ) -> Iterator[pb.GatewayClassifyStreamResponse]:
        yield pb.GatewayClassifyStreamResponse(window=pb.StreamWindow(items=WINDOW, bytes=1 << 20))
        for request in requests:
            with self._lock:
                self.asked[request.item.image] += 1
                number = self.asked.total()
            self.meet(number)
            time.sleep(self.delay_s)
            yield self._answer(request)

    def _answer(self, request: pb.GatewayClassifyStreamRequest) -> pb.GatewayClassifyStreamResponse:
        image = request.item.image
        if image.startswith(b"error "):
            code = image.split()[1].decode()
            bad = pb.ItemError(code=code, detail="It is bad.", retryable=code == "queue_full")
            return pb.GatewayClassifyStreamResponse(id=request.id, error=bad)
        if image.startswith(b"busy once ") and self.asked[image] == 1:
            busy = pb.ItemError(code="queue_full", detail="Later.", retryable=True, retry_after_s=0.01)
            return pb.GatewayClassifyStreamResponse(id=request.id, error=busy)
        digest = hashlib.sha256(image).digest()
        reply = pb.GatewayClassifyResponse(image=pb.ImageSize(width=64, height=48), model=self._model())
        reply.faces.extend(_face(digest, place) for place in range(digest[0] % 3))
        return pb.GatewayClassifyStreamResponse(id=request.id, result=reply)

    def _model(self) -> pb.ModelVersion:
        return pb.ModelVersion(name="expression_classifier", version=self.version)


def _face(digest: bytes, place: int) -> pb.ClassifiedFace:
    numbers = digest[8 * place + 1 : 8 * place + 8]
    shares = [number / sum(numbers) for number in numbers]
    return pb.ClassifiedFace(
        face=pb.Face(
            box=pb.Box(x=numbers[0] / 7, y=numbers[1] / 7, width=20, height=20),
            score=numbers[2] / 256,
            landmarks=[pb.Point(x=number / 3, y=place) for number in (numbers * 10)[:68]],
        ),
        expression=pb.Expression.Value(f"EXPRESSION_{EXPRESSIONS[shares.index(max(shares))].upper()}"),
        probabilities=pb.Probabilities(**dict(zip(EXPRESSIONS, shares, strict=True))),
    )

"""The gRPC client: a photo's bytes in, the contract's messages out. Needs nothing but `pip install mien`.

with Client("127.0.0.1:50051") as client:
    reply = client.classify(Path("photo.jpg").read_bytes())
    for face in reply.faces:
        print(face.face.box, face.probabilities.happiness)
    for outcome in client.classify_stream((path.name, path.read_bytes()) for path in Path("photos").iterdir()):
        print(outcome.id, outcome.error or len(outcome.result.faces))
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from functools import partial
from types import TracebackType
from typing import Any, Unpack

import grpc

from mien import requests
from mien.access import Access, Tls
from mien.outcomes import CallError, Outcome, call_error
from mien.requests import Wish
from mien.retries import Retries
from mien.streaming import outcomes
from mien.v1 import mien_pb2 as pb
from mien.v1 import mien_pb2_grpc

__all__ = ["CallError", "Client", "Outcome", "Tls"]


class Client:
    """One channel to a gateway; safe to share between threads.

    The streams take pairs of an id of yours (up to 256 characters, it may repeat) and a photo's bytes, and yield an
    outcome for each, in the same order; a bad photo is an outcome with an error. The items are pulled in a thread of
    their own, never further ahead than the server's window. `deadline_s` is for each item, from its arrival there;
    0: the server's own limit. A stream is not retried: CallError says that it ended, and what was not yielded has no
    answer. Leaving the iterator cancels it.
    """

    def __init__(
        self,
        address: str = "127.0.0.1:50051",
        *,
        timeout_s: float = 30.0,
        retries: int = 2,
        key: str = "",
        tls: Tls | None = None,
    ) -> None:
        """Connect when first used.

        Args:
            timeout_s: each single call's deadline, its retries included.
            retries: how often a call is made again that failed and may succeed later.
            key: where the gateway asks for one. Without TLS whoever is on the way can read it.
            tls: where the gateway has it.

        Raises:
            ValueError: no key looks like that.
            OSError: a file of `tls` cannot be read.
        """
        self._metadata = Access(key).metadata()
        self._channel = (
            grpc.secure_channel(address, tls.credentials(), options=requests.CHANNEL_OPTIONS)
            if tls
            else grpc.insecure_channel(address, options=requests.CHANNEL_OPTIONS)
        )
        self._stub = mien_pb2_grpc.GatewayStub(self._channel)
        self._timeout_s, self._retries = timeout_s, retries

    def classify(
        self, image: bytes, *, model: str = "", whole_picture: bool = False, explain: bool = False
    ) -> pb.GatewayClassifyResponse:
        """Every face of a photo and what it shows; with `explain` also what in it speaks for that.

        Raises:
            CallError: with the reason.
        """
        request = requests.classify(image, model=model, whole_picture=whole_picture, explain=explain)
        reply: pb.GatewayClassifyResponse = self._call(self._stub.Classify, request)
        return reply

    def detect(self, image: bytes) -> pb.GatewayDetectResponse:
        """Every face of a photo."""
        reply: pb.GatewayDetectResponse = self._call(self._stub.Detect, requests.detect(image))
        return reply

    def generate(self, image: bytes, **wish: Unpack[Wish]) -> pb.GatewayGenerateResponse:
        """The photo with another expression on its faces, marked as synthetic; PNG, or JPEG where asked for.

        Raises:
            CallError: with the reason.
        """
        reply: pb.GatewayGenerateResponse = self._call(self._stub.Generate, requests.generate(image, wish))
        return reply

    def models(self) -> pb.ListModelsResponse:
        """The models that the gateway can be asked for."""
        reply: pb.ListModelsResponse = self._call(self._stub.ListModels, pb.ListModelsRequest())
        return reply

    def classify_stream(
        self,
        items: Iterable[tuple[str, bytes]],
        *,
        model: str = "",
        whole_picture: bool = False,
        deadline_s: float = 0.0,
    ) -> Iterator[Outcome]:
        """`classify` for many photos; results are `GatewayClassifyResponse`."""
        messages = (
            pb.GatewayClassifyStreamRequest(
                id=name,
                item=requests.classify(image, model=model, whole_picture=whole_picture),
                deadline_s=deadline_s,
            )
            for name, image in items
        )
        return outcomes(partial(self._stub.ClassifyStream, metadata=self._metadata), messages)

    def detect_stream(self, items: Iterable[tuple[str, bytes]], *, deadline_s: float = 0.0) -> Iterator[Outcome]:
        """`detect` for many photos; results are `GatewayDetectResponse`."""
        messages = (
            pb.GatewayDetectStreamRequest(id=name, item=requests.detect(image), deadline_s=deadline_s)
            for name, image in items
        )
        return outcomes(partial(self._stub.DetectStream, metadata=self._metadata), messages)

    def generate_stream(
        self, items: Iterable[tuple[str, bytes]], *, deadline_s: float = 0.0, **wish: Unpack[Wish]
    ) -> Iterator[Outcome]:
        """`generate` for many photos; results are `GatewayGenerateResponse`."""
        messages = (
            pb.GatewayGenerateStreamRequest(id=name, item=requests.generate(image, wish), deadline_s=deadline_s)
            for name, image in items
        )
        return outcomes(partial(self._stub.GenerateStream, metadata=self._metadata), messages)

    def close(self) -> None:
        self._channel.close()

    def __enter__(self) -> Client:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _call(self, method: Any, request: Any) -> Any:
        retries, tries = Retries(self._retries, time.monotonic() + self._timeout_s), 0
        while True:
            try:
                return method(request, timeout=retries.remaining_s(), metadata=self._metadata)
            except grpc.RpcError as failure:
                error = call_error(failure)
            tries += 1
            time.sleep(retries.pause_s(error, tries))

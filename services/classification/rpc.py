"""gRPC of the classification service: the servicer, and the client that satisfies `domain.Classifier` from afar."""

from __future__ import annotations

import grpc
import numpy as np

from mien.v1 import mien_pb2 as pb
from mien.v1 import mien_pb2_grpc
from services import wire
from services.chassis.links import Link
from services.domain import RGB, Classification, Classifier, Model

NAMES = ("mien.v1.ExpressionClassification",)


class Servicer(mien_pb2_grpc.ExpressionClassificationServicer):
    def __init__(self, classifier: Classifier) -> None:
        self._classifier = classifier

    async def Classify(self, request: pb.ClassifyRequest, context: grpc.aio.ServicerContext) -> pb.ClassifyResponse:
        crops = wire.crops_from_pb(request.crops)
        answer = await self._classifier.classify(crops, model=request.model, explain=request.explain)
        return wire.classification_to_pb(answer)

    async def ListModels(
        self, request: pb.ExpressionClassificationListModelsRequest, context: grpc.aio.ServicerContext
    ) -> pb.ExpressionClassificationListModelsResponse:
        models = [wire.model_to_pb(model) for model in await self._classifier.models()]
        return pb.ExpressionClassificationListModelsResponse(models=models)


class RemoteClassifier:
    """A classification service at the other end of a channel."""

    def __init__(self, channel: grpc.aio.Channel, link: Link) -> None:
        self._stub, self._link = mien_pb2_grpc.ExpressionClassificationStub(channel), link

    async def classify(self, crops: RGB, *, model: str = "", explain: bool = False) -> Classification:
        request = pb.ClassifyRequest(crops=wire.crops_to_pb(crops), model=model, explain=explain)

        def read(reply: pb.ClassifyResponse) -> Classification:
            classification = wire.classification_from_pb(reply)
            rows = classification.probabilities
            if len(rows) != len(crops) or not np.allclose(rows.sum(axis=1), 1.0, atol=0.01):
                raise ValueError("not seven probabilities for each crop")
            return classification

        return await self._link.call(self._stub.Classify, request, read)

    async def models(self) -> tuple[Model, ...]:
        request = pb.ExpressionClassificationListModelsRequest()
        return await self._link.call(self._stub.ListModels, request, wire.models_from_pb)


def register(classifier: Classifier, server: grpc.aio.Server) -> None:
    mien_pb2_grpc.add_ExpressionClassificationServicer_to_server(Servicer(classifier), server)

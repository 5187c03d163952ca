"""A connection to a gateway in this process, which has the models in it; needs the extra `cpu` or `gpu`."""

from __future__ import annotations

import importlib
from collections.abc import Iterable, Iterator
from types import TracebackType

from mien import requests
from mien.batch.refusals import RefusalError
from mien.outcomes import Outcome
from mien.streaming import outcomes
from mien.v1 import mien_pb2 as pb

_GATEWAY = "services.offline"  # by name: who only asks gateways has no services


class Embedded:
    """A `links.Connection`; each link enters it, and its models stay for the next one."""

    def __init__(self) -> None:
        """Load the models that the settings (`MIEN_*`) name.

        Raises:
            RefusalError: they cannot be loaded.
        """
        try:
            self._gateway = importlib.import_module(_GATEWAY).Gateway()
        except ModuleNotFoundError as error:
            raise RefusalError(
                f"a worker has no models ({error.name} is not installed): pip install 'mien[cpu,ray]' there, "
                "or name a --gateway"
            ) from None
        except ValueError as error:
            raise RefusalError(f"a worker cannot load the models: {error}") from None

    def classify_stream(
        self, items: Iterable[tuple[str, bytes]], *, model: str = "", whole_picture: bool = False
    ) -> Iterator[Outcome]:
        """As `Client.classify_stream`."""
        messages = (
            pb.GatewayClassifyStreamRequest(
                id=name, item=requests.classify(image, model=model, whole_picture=whole_picture)
            )
            for name, image in items
        )
        return outcomes(self._gateway.ClassifyStream, messages)

    def models(self) -> pb.ListModelsResponse:
        """As `Client.models`, of classifiers only."""
        models: pb.ListModelsResponse = self._gateway.ListModels()
        return models

    def unload(self) -> None:
        """Give the models back. No call may follow."""
        self._gateway.close()

    def close(self) -> None:
        """Nothing: there is no connection."""

    def __enter__(self) -> Embedded:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

"""Which model a gateway answers with."""

from __future__ import annotations

from dataclasses import dataclass

from mien.access import Access
from mien.batch.refusals import FRESH, RefusalError
from mien.client import CallError, Client
from mien.v1 import mien_pb2 as pb

_ROLE = "expression_classifier"
NOT_LET_IN = frozenset({"permission_denied", "unauthenticated"})


@dataclass(frozen=True, slots=True)
class Model:
    name: str
    version: int

    def __str__(self) -> str:
        return f"{self.name} version {self.version}"


def served_model(address: str, asked: str, access: Access) -> Model | CallError:
    """The classifier that this gateway takes where `asked` is the wish; the error where it does not answer.

    Raises:
        RefusalError: the gateway answers, and has no such model, or does not let us in.
    """
    with Client(address, timeout_s=10.0, retries=0, key=access.key, tls=access.tls) as client:
        try:
            models = client.models()
        except CallError as error:
            if error.code in NOT_LET_IN:
                raise RefusalError(f"the gateway {address} refuses: {error.detail} ({error.code})") from None
            return error
    return chosen_model(models, asked, f"the gateway {address} has")


def chosen_model(models: pb.ListModelsResponse, asked: str, who_has: str) -> Model:
    """The classifier of these that is taken where `asked` is the wish.

    Raises:
        RefusalError: there is no such one.
    """
    for item in models.models:
        if item.role == _ROLE and (item.model.name == asked or (not asked and item.default)):
            return Model(item.model.name, item.model.version)
    raise RefusalError(f"{who_has} no model {asked!r}" if asked else f"{who_has} no classifier")


def changed_model(before: Model, now: Model) -> RefusalError:
    """Why answers of two models are not mixed, and what to do."""
    return RefusalError(f"the model was {before} and is {now} now: serve {before} again to go on, or {FRESH}")

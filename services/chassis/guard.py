"""Who may call: asked at the edge of both transports before anything of the call is read.

REST shows a key as `Authorization: Bearer KEY` or `X-Api-Key: KEY`, gRPC as metadata `authorization` or `x-api-key`.
Probes, health, metrics and the pages about the process are open: no guard is asked.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Protocol

from services import calls
from services.chassis.accounts import Account
from services.chassis.keyring import Keyring
from services.chassis.keys import Scope
from services.errors import Kind, MienError

HEADERS = ("authorization", "x-api-key")


class Guard(Protocol):
    """Lets calls in, or not."""

    def admitted(self, headers: Mapping[str, str], scope: Scope) -> AbstractContextManager[None]:
        """One call, for as long as the block runs; `headers` are those of `HEADERS` that it brings.

        Raises:
            MienError: UNAUTHENTICATED, PERMISSION_DENIED, RATE_EXCEEDED or QUOTA_EXCEEDED, on entering.
        """


class Open:
    """Lets everybody in."""

    def admitted(self, headers: Mapping[str, str], scope: Scope) -> AbstractContextManager[None]:
        return nullcontext()


class Closed:
    """Lets nobody in: REST where callers must show certificates, which gRPC alone asks them for."""

    @contextmanager
    def admitted(self, headers: Mapping[str, str], scope: Scope) -> Iterator[None]:
        raise MienError(
            Kind.PERMISSION_DENIED, "This service takes calls over gRPC from callers with a certificate only."
        )
        yield


class KeyGuard:
    """Lets in who shows a key of the ring that may do it, as often and as much at once as it may."""

    def __init__(self, keyring: Keyring) -> None:
        self._keyring = keyring
        self._accounts: dict[str, Account] = {}

    @contextmanager
    def admitted(self, headers: Mapping[str, str], scope: Scope) -> Iterator[None]:
        key = self._keyring.find(shown_key(headers))
        calls.known_as(key.id)
        if scope not in key.scopes:
            raise MienError(
                Kind.PERMISSION_DENIED, f"This key may not be used for this: it needs the scope {scope.value!r}."
            )
        account = self._accounts.get(key.id)
        if account is None:
            self._forget()
            account = self._accounts[key.id] = Account(key)
        account.key = key
        token = _current.set(_Pass(self._keyring, account))
        try:
            with account.call():
                yield
        finally:
            _current.reset(token)

    def _forget(self) -> None:
        """Accounts of keys that are gone, so that rotation for years costs nothing."""
        ids = self._keyring.ids()
        for id in [id for id, account in self._accounts.items() if id not in ids and not account.in_work]:
            del self._accounts[id]


@dataclass(frozen=True, slots=True)
class _Pass:
    """With what the current call was let in."""

    keyring: Keyring
    account: Account


_current: ContextVar[_Pass | None] = ContextVar("mien_pass", default=None)


async def paced() -> None:
    """One more item of the current call, a stream: waits until its key's rate allows it.

    Raises:
        MienError: UNAUTHENTICATED, the key has expired or was taken away meanwhile.
    """
    current = _current.get()
    if current is None:
        return
    account = current.account
    account.key = current.keyring.still(account.key)
    while wait_s := account.wait_s():
        await asyncio.sleep(wait_s)
        account.key = current.keyring.still(account.key)
    account.take(1)


def charge(items: int) -> None:
    """Count so many more items to the current call's key."""
    current = _current.get()
    if current is not None:
        current.account.take(items)


def shown_key(headers: Mapping[str, str]) -> str:
    """The key among a call's headers, their names in lower case.

    Raises:
        MienError: UNAUTHENTICATED, there is none.
    """
    scheme, _, bearer = headers.get("authorization", "").partition(" ")
    key = bearer.strip() if scheme.lower() == "bearer" else headers.get("x-api-key", "").strip()
    if not key:
        raise MienError(
            Kind.UNAUTHENTICATED,
            "This service asks for a key: send it as Authorization: Bearer KEY (in gRPC: metadata authorization).",
        )
    return key


def scope_of(method: str) -> Scope:
    """What a route (/v1/generate) or a gRPC method (GenerateStream) needs."""
    name = method.removeprefix("/v1/").lower()
    if name.startswith("admin"):
        return Scope.ADMIN
    return Scope.GENERATE if name.startswith("generate") else Scope.CLASSIFY


OPEN: Guard = Open()
CLOSED: Guard = Closed()

"""Mien: reads facial expressions. `Client` and `AsyncClient` are loaded when they are asked for."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mien.access import Tls
    from mien.async_client import AsyncClient
    from mien.client import Client
    from mien.outcomes import CallError, Outcome

__all__ = ["AsyncClient", "CallError", "Client", "Outcome", "Tls"]

_HOMES = {
    "AsyncClient": "mien.async_client",
    "CallError": "mien.outcomes",
    "Client": "mien.client",
    "Outcome": "mien.outcomes",
    "Tls": "mien.access",
}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module 'mien' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)

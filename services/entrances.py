"""Which ways lead in, as the settings say: keys, TLS, pages of others, other machines. Called by `app`."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass

from services.chassis import tls
from services.chassis.guard import CLOSED, OPEN, Guard, KeyGuard
from services.chassis.keyring import Keyring
from services.settings import Settings


@dataclass(frozen=True, slots=True)
class Entrances:
    """Of one process.

    Attributes:
        calls: asks whoever calls its services over gRPC.
        rest: asks whoever calls them over REST.
        admin: asks whoever comes to the admin port.
        listening: the TLS of its listeners, if any.
        calling: the TLS of its channels to other services, if any.
        origins: whose pages a browser may let ask the gateway.
    """

    calls: Guard = OPEN
    rest: Guard = OPEN
    admin: Guard = OPEN
    listening: tls.Listening | None = None
    calling: tls.Calling | None = None
    origins: tuple[str, ...] = ()


NONE = Entrances()  # of a process that nobody calls


def entrances(settings: Settings, roles: tuple[str, ...]) -> Entrances:
    """What the settings make of a process with these roles.

    A process that has the gateway asks for keys at all of its ports, so that nobody goes round it; one that is behind
    it trusts its network, or its callers' certificates. REST cannot ask for certificates (probes have none): where gRPC
    asks for them and there are no keys, REST lets nobody call.

    Raises:
        OSError: a file is missing or wrong, and the sentence says which; or `_check_exposure`.
    """
    _check_exposure(settings, roles)
    asks = settings.keys_file if "gateway" in roles or settings.admin_port else None
    keys = KeyGuard(Keyring(asks)) if asks else OPEN
    calls = keys if "gateway" in roles else OPEN
    listening = tls.listening(settings.tls_certificate, settings.tls_key, settings.tls_client_ca)
    return Entrances(
        calls,
        CLOSED if calls is OPEN and listening and listening.client_ca else calls,
        keys,
        listening,
        tls.calling(settings.tls_ca, listening),
        tuple(settings.cors_origins.split(",")) if settings.cors_origins else (),
    )


def _check_exposure(settings: Settings, roles: tuple[str, ...]) -> None:
    """Refuse to be open to everybody by accident.

    Raises:
        OSError: the gateway or the admin port listens beyond this machine, asks for no keys, and nobody said so.
    """
    if settings.keys_file or settings.open:
        return
    for setting, host, there in (
        ("MIEN_HOST", settings.host, "gateway" in roles),
        ("MIEN_ADMIN_HOST", settings.admin_host, settings.admin_port > 0),
    ):
        if there and not _loopback(host):
            raise OSError(
                f"{setting}={host} can be reached from other machines, and no keys are asked for. "
                "Make a key with `mien keys new` and name the file with MIEN_KEYS_FILE, "
                "or say with MIEN_OPEN=true that everybody may call."
            )


def _loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"

"""TLS of a process: what its listeners show and ask of callers, and what its channels to other services trust and show.

Files are PEM, read and checked once at the start; a renewed certificate needs a restart, which loses no call.
"""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from pathlib import Path

import grpc

CIPHERS = "ECDHE+AESGCM:ECDHE+CHACHA20"  # of TLS 1.2, whatever uvicorn's release would choose


@dataclass(frozen=True, slots=True)
class Listening:
    """What listeners show.

    Attributes:
        certificate: the chain, ours first.
        private_key: of ours, not encrypted.
        client_ca: who signs callers' certificates, which gRPC then asks for (mTLS); None: callers need none.
    """

    certificate: Path
    private_key: Path
    client_ca: Path | None = None

    def credentials(self) -> grpc.ServerCredentials:
        """For gRPC's port."""
        pair = (self.private_key.read_bytes(), self.certificate.read_bytes())
        ca = self.client_ca.read_bytes() if self.client_ca else None
        return grpc.ssl_server_credentials([pair], ca, require_client_auth=ca is not None)


@dataclass(frozen=True, slots=True)
class Calling:
    """What channels trust and show: `ca` signs the services that are asked; `own` is shown to them, if they ask."""

    ca: Path
    own: Listening | None = None

    def credentials(self) -> grpc.ChannelCredentials:
        """For a channel."""
        if self.own is None:
            return grpc.ssl_channel_credentials(self.ca.read_bytes())
        return grpc.ssl_channel_credentials(
            self.ca.read_bytes(), self.own.private_key.read_bytes(), self.own.certificate.read_bytes()
        )


def listening(certificate: Path | None, private_key: Path | None, client_ca: Path | None) -> Listening | None:
    """What the settings say; None: no TLS.

    Raises:
        OSError: a file is missing or wrong; the sentence names the setting. gRPC would not say it before a call.
    """
    if certificate is None and private_key is None:
        if client_ca is not None:
            raise OSError("MIEN_TLS_CLIENT_CA needs MIEN_TLS_CERTIFICATE and MIEN_TLS_KEY too.")
        return None
    if certificate is None or private_key is None:
        raise OSError("MIEN_TLS_CERTIFICATE and MIEN_TLS_KEY belong together: name both, or neither.")
    try:
        # an answer to the question for its password keeps OpenSSL from asking a terminal, and waiting
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(certificate, private_key, password="")
    except (OSError, ValueError) as error:  # SSLError is one
        why = "cannot be read" if isinstance(error, (FileNotFoundError, PermissionError)) else "are no pair in PEM"
        raise OSError(
            f"MIEN_TLS_CERTIFICATE and MIEN_TLS_KEY {why}: name a certificate and its key, not encrypted."
        ) from None
    if client_ca is not None:
        _check_ca(client_ca, "MIEN_TLS_CLIENT_CA")
    return Listening(certificate, private_key, client_ca)


def calling(ca: Path | None, own: Listening | None) -> Calling | None:
    """What the settings say; None: no TLS.

    Raises:
        OSError: the file is missing or wrong; the sentence names the setting.
    """
    if ca is None:
        return None
    _check_ca(ca, "MIEN_TLS_CA")
    return Calling(ca, own)


def _check_ca(path: Path, setting: str) -> None:
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(path)
    except OSError:
        raise OSError(f"{setting} cannot be read or has no certificate in PEM.") from None

"""How a client gets in where a gateway does not let everybody: its key, and TLS."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import grpc

_KEY = re.compile(r"[\x21-\x7e]{1,256}")

Metadata = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Tls:
    """Encrypts, and makes sure who answers; files are PEM.

    Attributes:
        ca: who signs the gateway's certificate; None: the public authorities.
        certificate: our own with its private key, both in one file, where the gateway asks callers for theirs.
    """

    ca: Path | None = None
    certificate: Path | None = None

    def credentials(self) -> grpc.ChannelCredentials:
        """For a channel.

        Raises:
            OSError: a file cannot be read.
        """
        import grpc  # here, so that the command line knows its options without it

        ca = self.ca.read_bytes() if self.ca else None
        own = self.certificate.read_bytes() if self.certificate else None
        return grpc.ssl_channel_credentials(ca, own, own)


@dataclass(frozen=True, slots=True)
class Access:
    """What a caller brings; printing it does not show the key."""

    key: str = field(default="", repr=False)
    tls: Tls | None = None

    def metadata(self) -> Metadata | None:
        """What goes with every call.

        Raises:
            ValueError: no key looks like that.
        """
        if not self.key:
            return None
        if not _KEY.fullmatch(self.key):  # gRPC would refuse it too, and show it
            raise ValueError("the key has spaces or other characters that no key has")
        return (("authorization", f"Bearer {self.key}"),)

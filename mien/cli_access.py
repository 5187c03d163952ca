"""How the command line gets in where a gateway asks for keys or certificates: options and MIEN_KEY.

A key is never an option: everybody on the machine sees a process's command line (`ps`), and shells keep it.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from mien.access import Access, Tls

KeyFile = Annotated[
    Path | None, typer.Option(dir_okay=False, help="a file with the key; left out: the environment's MIEN_KEY, if any")
]
Encrypted = Annotated[bool, typer.Option("--tls", help="ask over TLS, and trust the public authorities")]
Ca = Annotated[
    Path | None, typer.Option(dir_okay=False, help="ask over TLS; PEM of who signs the gateway's certificate")
]
Certificate = Annotated[
    Path | None, typer.Option(dir_okay=False, help="PEM of your own certificate and its key, for a gateway that asks")
]


def access(key_file: Path | None, encrypted: bool, ca: Path | None, certificate: Path | None) -> Access:
    """What the options and the environment say.

    Raises:
        ValueError: a file cannot be read, or holds no key; the sentence says which.
    """
    if key_file is None:
        key = os.environ.get("MIEN_KEY", "").strip()
    else:
        key = _text(key_file).strip()
        if not key:
            raise ValueError(f"{key_file} is empty: it must hold the key")
    found = Access(key, Tls(ca, certificate) if encrypted or ca or certificate else None)
    try:
        found.metadata()
        if found.tls:
            found.tls.credentials()
    except OSError as error:
        raise ValueError(f"{error.filename} cannot be read ({error.strerror})") from None
    return found


def _text(path: Path) -> str:
    try:
        return path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not text"
        raise ValueError(f"{path} cannot be read ({reason})") from None

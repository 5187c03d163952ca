"""The images' HEALTHCHECK: exit 0 while the service that this container was started for answers /readyz with 200.

The role is read from the container's first process (`mien serve gateway`), the port from the same settings that the
service reads. It uses nothing but the standard library, so that asking every few seconds costs next to nothing.
"""

from __future__ import annotations

import os
import ssl
import sys
import urllib.error
import urllib.request
from collections.abc import Mapping
from pathlib import Path

# Settings' defaults, which a test compares with `services.settings`.
PORTS = {"gateway": 8080, "detection": 8081, "classification": 8082, "generation": 8083}
_TIMEOUT_S = 4.0


def role(command: str) -> str:
    """The service to ask, of the first process's command line; the gateway where all run in one process."""
    words = command.replace("\0", " ").split()
    named = words[words.index("serve") + 1 :][:1] if "serve" in words else []
    return named[0] if named and named[0] in PORTS else "gateway"


def url(service: str, settings: Mapping[str, str]) -> str:
    """Where it says whether it is ready."""
    port = settings.get(f"MIEN_{service.upper()}_REST_PORT") or PORTS[service]
    host = settings.get("MIEN_HOST", "127.0.0.1")
    scheme = "https" if settings.get("MIEN_TLS_CERTIFICATE") else "http"
    return f"{scheme}://{'127.0.0.1' if host in ('0.0.0.0', '') else host}:{port}/readyz"  # noqa: S104


def ready(address: str) -> bool:
    """Whether it answers 200; 503 and silence are not ready."""
    try:
        # to ourselves, by an address that no certificate has to name
        context = ssl._create_unverified_context() if address.startswith("https:") else None  # noqa: S323
        with urllib.request.urlopen(address, timeout=_TIMEOUT_S, context=context) as answer:  # noqa: S310
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False


if __name__ == "__main__":
    command_line = Path("/proc/1/cmdline").read_bytes().decode(errors="replace")
    sys.exit(0 if ready(url(role(command_line), os.environ)) else 1)

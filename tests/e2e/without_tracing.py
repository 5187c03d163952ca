"""`mien`, where the extra `tracing` cannot be imported, as if it were not installed.

What FastAPI imports for itself, OpenTelemetry's interface without anything behind it, is there all the same.
"""

from __future__ import annotations

import sys

from mien.cli import main

if __name__ == "__main__":
    for package in ("sdk", "exporter", "proto"):
        sys.modules[f"opentelemetry.{package}"] = None  # type: ignore[assignment]
    main()

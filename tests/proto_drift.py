"""Generated code equals what the contract generates now: `python -m tests.proto_drift` (part of `make lint`)."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from grpc_tools import protoc

GENERATED = ("mien_pb2.py", "mien_pb2.pyi", "mien_pb2_grpc.py")


def drifted(root: Path) -> list[str]:
    """Names of committed files in `mien/v1` that differ from a fresh generation."""
    with tempfile.TemporaryDirectory() as folder:
        outputs = [f"--{kind}_out={folder}" for kind in ("python", "pyi", "grpc_python")]
        if protoc.main(["protoc", f"-I{root / 'proto'}", *outputs, str(root / "proto/mien/v1/mien.proto")]):
            return list(GENERATED)
        fresh, committed = Path(folder) / "mien/v1", root / "mien/v1"
        return [name for name in GENERATED if (fresh / name).read_bytes() != (committed / name).read_bytes()]


if __name__ == "__main__":
    names = drifted(Path(__file__).parents[1])
    sys.exit(f"mien/v1 is not what proto/ generates ({', '.join(names)}): run make proto" if names else 0)

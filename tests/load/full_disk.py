"""A disk that fills up under a batch: the command says so, and goes on when there is room. Needs the right to mount."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mien import results
from tests.load import photos
from tests.stack import Stack

_IMAGES, _SMALL, _LARGE = 40, "64k", "16m"
_PART = 5


@contextmanager
def small_disk(folder: Path) -> Iterator[bool]:
    """A disk of `_SMALL` at the folder; False where this machine does not let us have one."""
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", f"size={_SMALL}", "tmpfs", str(folder)]
    try:
        mounted = subprocess.run(command, capture_output=True, check=False).returncode == 0
    except OSError:
        mounted = False
    try:
        yield mounted
    finally:
        if mounted:
            subprocess.run(["umount", str(folder)], check=True)


def measure(server: Stack, work: Path) -> tuple[str, bool]:
    """What became of it, and whether that is right."""
    photos.write(work / "photos", _IMAGES)
    with small_disk(work / "disk") as mounted:
        if not mounted:
            return "not tried: this machine lets nobody mount a small disk", True
        target = work / "disk" / "results.parquet"
        command = [sys.executable, "-m", "mien.cli", "classify", str(work / "photos"), "--to", str(target)]
        command += ["--gateway", server.address(), "--part", str(_PART)]
        full = subprocess.run(command, capture_output=True, text=True, check=False)
        subprocess.run(["mount", "-o", f"remount,size={_LARGE}", str(work / "disk")], check=True)
        again = subprocess.run(command, capture_output=True, text=True, check=False)
        whole = again.returncode == 0 and len({row["image"] for row in results.read([target]).to_pylist()}) == _IMAGES
        said = (full.stdout + full.stderr).strip()
        fair = full.returncode != 0 and "Traceback" not in said
        last = said.splitlines()[-1].replace(str(work), "")
        told = f"status {full.returncode}: “{last}”; with room again status {again.returncode}"
        return told + (", every image in the table" if whole else ", **images are missing**"), fair and whole

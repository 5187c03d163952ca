"""Whether a known weakness is in a package of the images: `make audit`. Asks PyPI, by pip-audit.

Exit status 0: none is known; 1: some are, and are named; 3: nobody could be asked, as where there is no way out.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console

HERE = Path(__file__).resolve().parent
LOCKS = ("serve", "serve-gpu", "train")
TOOL = (str(Path(sys.executable).with_name("uvx")), "--quiet", "--from", "pip-audit>=2.10,<3", "pip-audit")
OPTIONS = ("--require-hashes", "--disable-pip", "--format=json", "--progress-spinner=off")
SAY = Console(highlight=False, soft_wrap=True)


def told(lock: str, dependencies: Sequence[Mapping[str, Any]]) -> tuple[int, str]:
    """The exit status and the sentences for what pip-audit found of a lock."""
    asked = [one for one in dependencies if "skip_reason" not in one]
    weak = [f"{one['name']} {one['version']}: {weakness['id']}" for one in asked for weakness in one["vulns"]]
    if not asked:
        return 3, f"{lock}: none of {len(dependencies)} packages could be looked up; is there a way to pypi.org?"
    unknown = len(dependencies) - len(asked)
    rest = f", {unknown} could not be looked up" if unknown else ""
    return int(bool(weak)), "\n".join([f"{lock}: {len(weak)} known weaknesses in {len(asked)} packages{rest}", *weak])


def main() -> int:
    worst = 0
    for lock in LOCKS:
        locked = HERE / "requirements" / f"{lock}.txt"
        done = subprocess.run([*TOOL, *OPTIONS, "-r", str(locked)], capture_output=True, text=True, check=False)  # noqa: S603 (ours)
        try:
            dependencies = json.loads(done.stdout)["dependencies"]
        except (ValueError, KeyError):
            SAY.print(f"{lock}: pip-audit has not run: {(done.stderr.strip().splitlines() or ['it said nothing'])[-1]}")
            worst = max(worst, 3)
            continue
        status, sentences = told(lock, dependencies)
        SAY.print(sentences)
        worst = 1 if 1 in (status, worst) else max(status, worst)
    return worst


if __name__ == "__main__":
    sys.exit(main())

"""Runs experiments into a folder, each once: a result of the same configuration and inputs is kept.

<to>/<experiment>/      result.json, table.md, table.tex and pictures, see `outcome.py`
<to>/classifiers/, <to>/gan18k-<fingerprint>/      what several experiments share
<to>/index.html         everything on one page
"""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path

from training.card import mien_version
from training.experiments import outcome, page, registry
from training.experiments.settings import Experiments
from training.experiments.study import Study

ALL = "all"


def run(
    names: Sequence[str], how: Experiments, to: Path, into: Path | None = None, tell: Callable[[str], None] = print
) -> Path:
    """Run the named experiments (`all`: every one) and write the page.

    Args:
        into: a Markdown file that gets the results between its markers.
        tell: is called with a line for each experiment.

    Returns:
        The page's path.

    Raises:
        FileNotFoundError, ValueError: an unknown experiment, or inputs that are not what they should be.
    """
    chosen = [registry.of(name) for name in (registry.EXPERIMENTS if ALL in names else names)]
    study, to = Study(how, to), to.expanduser()
    if into is not None:
        page.check(into)
    for each in chosen:
        uses = study.prints(*each.uses)
        fingerprint = hashlib.sha256(json.dumps([each.name, uses], sort_keys=True).encode()).hexdigest()[:16]
        found = outcome.read(to / each.name)
        if found is not None and found["fingerprint"] == fingerprint:
            tell(f"{each.name}: done before, nothing changed")
            continue
        began = time.monotonic()
        made = each.run(study)
        facts = {
            "name": each.name,
            "title": each.title,
            "fingerprint": fingerprint,
            "seed": how.seed,
            "configuration": how.name,
            "decided by": uses,
            "command": f"mien experiment {each.name} --config training/configs/{how.name}.toml --to DIR",
            "mien_version": mien_version(),
            "created": datetime.now(UTC).isoformat(timespec="seconds"),
            "wall_s": round(time.monotonic() - began, 1),
            "cores": os.cpu_count(),
        }
        outcome.write(to / each.name, made, facts)
        tell(f"{each.name}: {facts['wall_s']:.0f} s. {' '.join(made.told)}")
    return page.write(to, into)

"""Finding Prometheus' programs, and what the monitoring files say; used by the tests of deploy/monitoring."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
MONITORING = ROOT / "deploy" / "monitoring"
DASHBOARDS = sorted((MONITORING / "grafana" / "dashboards").glob("*.json"))


def program(name: str) -> str:
    """The path of promtool or prometheus; without it the test is skipped."""
    path = shutil.which(name)
    if path is None:
        pytest.skip(f"needs {name}: apt-get install prometheus, or its archive from prometheus.io on the PATH")
    return path


def alerts() -> dict[str, dict[str, Any]]:
    """Every alert by its name."""
    groups = yaml.safe_load((MONITORING / "rules" / "alerts.yml").read_text())["groups"]
    return {rule["alert"]: rule for group in groups for rule in group["rules"]}


def names_in(text: str) -> set[str]:
    """Names of Mien's own metrics in rules or queries, without a histogram's and a counter's endings."""
    found = re.findall(r"(?<![:\w])mien_[a-z_]+", text)
    return {re.sub(r"_(bucket|count|sum)$", "", name) for name in found}

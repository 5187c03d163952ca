"""Alerts: each fires when it should, is silent when it should be, and says what to do."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest
import yaml

from services.metrics import Metrics
from tests.deploy.prometheus import MONITORING, ROOT, alerts, names_in, program

CASES = sorted((MONITORING / "rules_test").glob("*.yml"))


@pytest.mark.parametrize("cases", CASES, ids=lambda path: path.stem)
def test_alerts_fire_and_are_silent_as_their_cases_say(cases: Path) -> None:
    done = subprocess.run([program("promtool"), "test", "rules", cases], capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stdout + done.stderr


def test_prometheus_takes_the_configuration() -> None:
    command = [program("promtool"), "check", "config", MONITORING / "prometheus.yml"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_alert_has_a_case_in_which_it_fires_and_one_of_its_own_metrics_in_which_none_does() -> None:
    firing, silent = set(), ""
    for path in CASES:
        for case in yaml.safe_load(path.read_text())["tests"]:
            (check,) = case["promql_expr_test"]
            named = re.findall(r'alertname="(\w+)"', str(check["exp_samples"]))
            firing |= set(named)
            if not named:
                silent += str(case["input_series"])
    assert firing == set(alerts())
    recorded = yaml.safe_load((MONITORING / "rules" / "recording.yml").read_text())
    rules = {rule["record"]: rule["expr"] for group in recorded["groups"] for rule in group["rules"]}
    for name, alert in alerts().items():
        text = alert["expr"]
        for _ in range(2):  # a recorded rule may be made of others
            text = re.sub(r"\w+:[\w:]+", lambda match: rules[match[0]], text)
        metrics = re.findall(r"\b(?:mien|nv)_[a-z_]+|\bup\b", text)
        assert any(f"{metric}{{" in silent for metric in metrics), name


def test_every_alert_has_a_runbook_and_every_runbook_an_alert() -> None:
    sections = re.split(r"^## ", (ROOT / "deploy" / "runbooks.md").read_text(), flags=re.M)[1:]
    runbooks = {section.partition("\n")[0]: section for section in sections}
    assert list(runbooks) == list(alerts())
    for name, alert in alerts().items():
        assert alert["annotations"]["runbook_url"] == f"deploy/runbooks.md#{name.lower()}"
        assert all(f"**{part}" in runbooks[name] for part in ("Callers", "Confirm", "Do")), name
        for link in re.findall(r"\]\(#(\w+)\)", runbooks[name]):
            assert link in {other.lower() for other in alerts()}, name


def test_rules_and_runbooks_name_only_metrics_that_there_are() -> None:
    there = {family.name for family in Metrics("test").registry.collect()}
    texts = [path.read_text() for path in [*(MONITORING / "rules").glob("*.yml"), ROOT / "deploy" / "runbooks.md"]]
    named = set().union(*map(names_in, texts))
    assert {name for name in named if name.removesuffix("_total") not in there} == set()

"""The operator's handbook names what there is."""

from __future__ import annotations

import re

from tests.deploy.prometheus import ROOT, alerts

HANDBOOK = (ROOT / "deploy" / "README.md").read_text()


def test_every_alert_stands_there_with_whom_it_wakes_and_its_runbook() -> None:
    rows = re.findall(r"^\| \[(\w+)\]\(runbooks\.md#(\w+)\) \| (\w+) \|", HANDBOOK, re.MULTILINE)
    wanted = [(name, name.lower(), alert["labels"]["severity"]) for name, alert in alerts().items()]
    assert rows == wanted


def test_every_file_that_it_leads_to_is_there() -> None:
    targets = re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", HANDBOOK)
    assert targets
    assert [target for target in targets if not (ROOT / "deploy" / target).exists()] == []


def test_every_module_and_target_that_it_tells_to_run_is_there() -> None:
    makefile = (ROOT / "Makefile").read_text()
    for module in re.findall(r"python -m ([\w.]+)", HANDBOOK):
        assert (ROOT / module.replace(".", "/")).with_suffix(".py").is_file(), module
    for target in re.findall(r"`make ([a-z]+)\b", HANDBOOK):
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), target

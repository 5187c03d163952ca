"""What is said of the image's packages: it is of the locked ones, and an audit never calls unknown what is known."""

from __future__ import annotations

import json
import re
from pathlib import Path

from deploy.audit import told

REQUIREMENTS = Path(__file__).resolve().parents[2] / "deploy" / "requirements"


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def locked() -> dict[str, str]:
    text = (REQUIREMENTS / "serve.txt").read_text()
    return dict(re.findall(r"^([a-z0-9-]+)==(\S+) \\", text, re.MULTILINE))


def test_the_bill_of_materials_and_the_licences_are_of_the_locked_packages() -> None:
    """Whoever runs `make lock` runs `make sbom licences` too."""
    bill = json.loads((REQUIREMENTS / "serve.cdx.json").read_text())
    found = {normal(one["name"]): one["version"] for one in bill["components"]}
    assert found.items() >= locked().items()
    table = (REQUIREMENTS / "licences.md").read_text().splitlines()[2:]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in table]
    assert {normal(name): version for name, version, *_ in cells}.items() >= locked().items()
    assert not [row for row in cells if "UNKNOWN" in row[2] or "GPL" in row[2]]


def test_an_audit_names_weaknesses_and_says_when_nobody_could_be_asked() -> None:
    fine = {"name": "fine", "version": "1", "vulns": []}
    weak = {"name": "weak", "version": "2", "vulns": [{"id": "CVE-2099-1"}]}
    unknown = {"name": "unknown", "skip_reason": "not found"}
    assert told("serve", [fine]) == (0, "serve: 0 known weaknesses in 1 packages")
    assert told("serve", [fine, weak]) == (1, "serve: 1 known weaknesses in 2 packages\nweak 2: CVE-2099-1")
    assert told("serve", [fine, unknown])[1].endswith("1 could not be looked up")
    assert told("serve", [unknown])[0] == 3

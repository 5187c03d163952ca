"""The example environment is the settings' own defaults."""

from __future__ import annotations

import re
from pathlib import Path

from services.settings import Settings

EXAMPLE = Path(__file__).resolve().parents[2] / ".env.example"


def test_the_example_names_every_setting_with_its_default() -> None:
    listed = dict(re.findall(r"^#? ?MIEN_([A-Z_]+)=(.*)$", EXAMPLE.read_text(), re.M))
    assert {name.lower() for name in listed} == set(Settings.model_fields)
    defaults = Settings(_env_file=None)  # type: ignore[call-arg]
    for name, text in listed.items():
        value = getattr(defaults, name.lower())
        if isinstance(value, bool):
            assert text == str(value).lower(), name
        elif isinstance(value, (int, float)):
            assert float(text) == value, name
        elif isinstance(value, str):
            assert text == value, name

"""What a caller writes as action units."""

from __future__ import annotations

import pytest

from services.chassis.parameters import units_from_json


def test_units_are_numbers_by_name() -> None:
    assert units_from_json('{"AU12": 1, "AU06": 0.25}') == {"AU12": 1.0, "AU06": 0.25}
    assert units_from_json("") == {}


@pytest.mark.parametrize(
    "text",
    [
        "[1]",
        "1",
        "{",
        '{"AU12": true}',
        '{"AU12": "1"}',
        '{"AU12": 1' + "0" * 400 + "}",
        '{"\\ud800": 0.5}',
        "[" * 9999,
    ],
    ids=["list", "number", "broken", "boolean", "text", "too large", "half a character", "deep"],
)
def test_what_is_no_such_object_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="must be a JSON object of numbers"):
        units_from_json(text)

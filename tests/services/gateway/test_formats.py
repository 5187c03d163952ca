"""Which format an answer has."""

from __future__ import annotations

import pytest

from services.errors import Kind, MienError
from services.gateway.formats import IN_STEPS, ONE_PICTURE, chosen_format


@pytest.mark.parametrize(
    ("wanted", "accept", "offered", "chosen"),
    [
        ("", "", ONE_PICTURE, "png"),
        ("", "*/*", IN_STEPS, "webp"),
        ("", "image/jpeg", ONE_PICTURE, "jpeg"),
        ("", "application/json, */*;q=0.1", ONE_PICTURE, "json"),
        ("", "image/*;q=0.5, image/png;q=0, application/json;q=0.4", ONE_PICTURE, "jpeg"),
        ("", "text/html, IMAGE/GIF; Q=0.3", IN_STEPS, "gif"),
        ("", "image/png;q=high, image/jpeg;q=0.1", ONE_PICTURE, "jpeg"),
        ("jpeg", "image/png", ONE_PICTURE, "jpeg"),
        ("zip", "", IN_STEPS, "zip"),
    ],
)
def test_the_parameter_decides_and_else_the_header(
    wanted: str, accept: str, offered: tuple[str, ...], chosen: str
) -> None:
    assert chosen_format(wanted, accept, offered) == chosen


@pytest.mark.parametrize(
    ("wanted", "accept", "offered"),
    [
        ("", "text/html", ONE_PICTURE),
        ("", "image/png;q=0", IN_STEPS),
        ("bmp", "*/*", ONE_PICTURE),
        ("webp", "", ONE_PICTURE),
        ("json", "", IN_STEPS),
    ],
)
def test_a_format_that_is_not_offered_is_refused_and_the_others_are_named(
    wanted: str, accept: str, offered: tuple[str, ...]
) -> None:
    with pytest.raises(MienError, match=offered[0]) as caught:
        chosen_format(wanted, accept, offered)
    assert caught.value.kind is Kind.NOT_ACCEPTABLE

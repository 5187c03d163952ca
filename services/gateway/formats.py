"""Which of the offered formats an answer with pictures has: the caller's `format`, else the `Accept` header.

Source: RFC 9110, section 12.5.1: the most specific range that matches a media type gives its weight.
"""

from __future__ import annotations

from services.errors import Kind, MienError
from services.synthetic import MEDIA_TYPES as PICTURES

MEDIA_TYPES = {**PICTURES, "json": "application/json"}
ONE_PICTURE = ("png", "jpeg", "json")  # the first is the default
IN_STEPS = ("webp", "gif", "zip")


def chosen_format(wanted: str, accept: str, offered: tuple[str, ...]) -> str:
    """One of `offered`, which are keys of `MEDIA_TYPES`.

    Args:
        wanted: the parameter `format`; empty: the header decides.
        accept: the header; empty: the first one offered.

    Raises:
        MienError: NOT_ACCEPTABLE: none of them; the sentence names those there are.
    """
    if wanted:
        best = wanted if wanted in offered else ""
    else:
        weights = {form: _weight(MEDIA_TYPES[form], accept or "*/*") for form in offered}
        best = max(offered, key=weights.__getitem__)  # the first at a tie
        best = best if weights[best] > 0 else ""
    if not best:
        raise MienError(
            Kind.NOT_ACCEPTABLE,
            f"This answer comes as {', '.join(MEDIA_TYPES[form] for form in offered)} "
            f"(format={', '.join(offered)}); with steps there are others than without.",
            field="format" if wanted else "Accept",
        )
    return best


def _weight(media_type: str, accept: str) -> float:
    """The weight in [0, 1] that the header gives a media type; 0 = not wanted."""
    ranges = {media_type: 3, f"{media_type.partition('/')[0]}/*": 2, "*/*": 1}
    found, weight = 0, 0.0
    for part in accept.split(","):
        name, *parameters = (piece.strip().lower() for piece in part.split(";"))
        if ranges.get(name, 0) > found:
            found = ranges[name]
            weight = next((_number(text[2:]) for text in parameters if text.startswith("q=")), 1.0)
    return weight


def _number(text: str) -> float:
    try:
        return min(max(float(text), 0.0), 1.0)
    except ValueError:
        return 0.0

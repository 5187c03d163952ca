"""The page's pictures: SVG whose places are per cent of its width, so that bars stretch and letters keep their size."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from mien.report.wording import percent, points
from mien.statistics import Estimate
from mien.tables import EXPRESSIONS

_BAR_PX, _RULE_PX = 30, 18
_ROOM_FOR_TEXT = 0.06


def bar(name: str, shares: Sequence[float]) -> str:
    """One bar of the seven shares, which sum to 1; the larger ones carry their per cent."""
    told = ", ".join(f"{expression} {percent(share)} %" for expression, share in zip(EXPRESSIONS, shares, strict=True))
    parts, left = [], 0.0
    for expression, share in zip(EXPRESSIONS, shares, strict=True):
        if share > 0:
            place = f'x="{100 * left:.3f}%" width="{100 * share:.3f}%" height="{_BAR_PX}"'
            parts.append(f'<rect class="{expression}" {place}><title>{expression} {percent(share)} %</title></rect>')
        if share >= _ROOM_FOR_TEXT:
            middle = f'x="{100 * (left + share / 2):.3f}%" y="{_BAR_PX / 2}"'
            parts.append(f'<text class="on-{expression}" {middle}>{100 * share:.0f}</text>')
        left += share
    return _svg("bar", _BAR_PX, f"{name}: {told}", "".join(parts))


def rule(estimate: Estimate, reach: float) -> str:
    """A difference as a dot on its interval, on an axis from -reach to reach with a line at zero."""

    def at(value: float) -> str:
        return f"{50 + 48 * value / reach:.3f}%"

    middle, low, high = _RULE_PX / 2, at(estimate.low), at(estimate.high)
    kind = "sure" if estimate.excludes_zero else "open"
    told = f"{points(estimate.value)} points, 95 % from {points(estimate.low)} to {points(estimate.high)}"
    drawn = (
        f'<line class="zero" x1="50%" x2="50%" y1="0" y2="{_RULE_PX}"/>'
        f'<line class="{kind}" x1="{low}" x2="{high}" y1="{middle}" y2="{middle}"/>'
        f'<circle class="{kind}" cx="{at(estimate.value)}" cy="{middle}" r="4"/>'
    )
    return _svg("rule", _RULE_PX, told, drawn)


def legend() -> str:
    """The colours' names, in Mien's order."""
    keys = "".join(f'<li><svg width="12" height="12" aria-hidden="true"><rect class="{name}" width="12" height="12"/>'
                   f"</svg>{name}</li>" for name in EXPRESSIONS)  # fmt: skip
    return f'<ul class="legend">{keys}</ul>'


def _svg(kind: str, height: int, told: str, drawn: str) -> str:
    return f'<svg class="{kind}" width="100%" height="{height}" role="img" aria-label="{escape(told)}">{drawn}</svg>'

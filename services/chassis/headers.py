"""What every answer tells a browser: do not guess types, do not frame, do not refer, do not keep what is about a photo.

Answers of the API are no pages, so a browser may run nothing of them. /docs brings its script and style, inline too; a
page with a policy of its own (/status) keeps it.
"""

from __future__ import annotations

from collections.abc import Iterable

Header = tuple[bytes, bytes]

_NOTHING = b"default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
_DOCS = (
    b"default-src 'self'; script-src 'self' 'unsafe-inline'; style-src 'self' 'unsafe-inline'; "
    b"img-src 'self' data:; frame-ancestors 'none'; base-uri 'none'"
)
_ALWAYS: tuple[Header, ...] = (
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"cross-origin-opener-policy", b"same-origin"),
)
_A_YEAR_OF_TLS: Header = (b"strict-transport-security", b"max-age=31536000")


def safe_headers(path: str, given: Iterable[Header], encrypted: bool) -> list[Header]:
    """Those to add to an answer that has some already; what it says itself stays."""
    wanted = [*_ALWAYS, (b"content-security-policy", _DOCS if path.startswith("/docs") else _NOTHING)]
    if path.startswith("/v1/"):
        wanted.append((b"cache-control", b"no-store"))
    if encrypted:
        wanted.append(_A_YEAR_OF_TLS)
    names = {name.lower() for name, _ in given}
    return [(name, value) for name, value in wanted if name not in names]

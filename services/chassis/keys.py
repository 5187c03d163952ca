"""The keys that callers show, as their file describes them: one line of TOML for each, with a hash and never the key.

    museum = { sha256 = "9f86…", scopes = ["classify"], expires = "2027-06-30", per_second = 20, burst = 40 }

`mien keys new` makes a key of 256 random bits and prints its line. A slow hash (argon2, bcrypt) is for passwords, which
people choose and machines guess; 256 random bits nobody guesses, and a slow hash at every call would be a way to
exhaust the service. So it is SHA-256.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from enum import StrEnum

_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_MOST_CHARACTERS = 256  # of what is shown as a key; a longer one is none, and is not hashed


class Scope(StrEnum):
    """What a key may be used for; detecting faces and listing models go with CLASSIFY."""

    CLASSIFY = "classify"
    GENERATE = "generate"
    ADMIN = "admin"


@dataclass(frozen=True, slots=True)
class Key:
    """One key.

    Attributes:
        id: its name, which logs may show.
        sha256: of the key itself.
        expires_s: Unix time from which it is no longer taken; infinite where it does not expire.
        per_second: how many calls it may make in the long run, and items of streams; 0: any number.
        burst: how many of them at once after a pause.
        at_once: how many calls and streams may be in work; 0: any number.
    """

    id: str
    sha256: bytes
    scopes: frozenset[Scope]
    expires_s: float = float("inf")
    per_second: float = 0.0
    burst: float = 1.0
    at_once: int = 0


def read_keys(text: str) -> tuple[Key, ...]:
    """The keys of a file.

    Raises:
        ValueError: which line's key is wrong, and how; never a hash.
    """
    try:
        lines = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        # TOML's own words are about the file's characters, which may be a key that was pasted by mistake
        where = re.search(r"\(at (.*?)\)$", str(error))
        raise ValueError(f"not TOML{f' at {where[1]}' if where else ''}") from None
    keys = tuple(_key(name, values) for name, values in lines.items())
    if not keys:
        raise ValueError("it has no key; `mien keys new` prints a line for it")
    if len({key.sha256 for key in keys}) < len(keys):
        raise ValueError("two ids have the same key")
    return keys


def matching(keys: Iterable[Key], shown: str) -> Key | None:
    """The key that was shown; every one is compared, and each in the same time, whatever was shown."""
    if len(shown) > _MOST_CHARACTERS:
        return None
    digest = hashlib.sha256(shown.encode()).digest()
    found = None
    for key in keys:
        if hmac.compare_digest(key.sha256, digest):
            found = key
    return found


def _key(name: str, values: object) -> Key:
    if not _ID.fullmatch(name):
        raise ValueError("an id has 1 to 64 letters, digits, _ or -")
    if not isinstance(values, Mapping):
        raise ValueError(f'{name}: write it as {name} = {{ sha256 = "…", scopes = ["classify"] }}')
    unknown = values.keys() - {"sha256", "scopes", "expires", "per_second", "burst", "at_once"}
    if unknown:
        raise ValueError(f"{name}: there are sha256, scopes, expires, per_second, burst and at_once, and nothing else")
    sha256 = values.get("sha256")
    if not (isinstance(sha256, str) and _SHA256.fullmatch(sha256)):
        raise ValueError(f"{name}: sha256 has 64 hexadecimal digits, as `mien keys new` prints them")
    per_second = _number(name, "per_second", values, 0.0)
    return Key(
        name,
        bytes.fromhex(sha256),
        _scopes(name, values.get("scopes")),
        _expiry(name, values.get("expires")),
        per_second,
        max(1.0, _number(name, "burst", values, per_second)),
        int(_number(name, "at_once", values, 0)),
    )


def _scopes(name: str, given: object) -> frozenset[Scope]:
    known = {str(scope) for scope in Scope}
    if not (isinstance(given, list) and given and all(isinstance(one, str) and one in known for one in given)):
        raise ValueError(f"{name}: scopes is a list of some of {', '.join(Scope)}")
    return frozenset(map(Scope, given))


def _expiry(name: str, given: object) -> float:
    """A day ends in UTC."""
    if given is None:
        return float("inf")
    try:
        day = date.fromisoformat(given) if isinstance(given, str) else given
    except ValueError:
        day = None
    if isinstance(day, datetime) or not isinstance(day, date):
        raise ValueError(f'{name}: expires is the last day on which it is taken, as "2027-06-30"')
    return datetime.combine(day, time.max, UTC).timestamp()


def _number(name: str, field: str, values: Mapping[str, object], default: float) -> float:
    number = values.get(field, default)
    if isinstance(number, bool) or not isinstance(number, (int, float)) or not 0 <= number < 1e9:
        raise ValueError(f"{name}: {field} is a number from 0")
    return float(number)

"""`mien keys`: make a key for the gateway's file of keys (MIEN_KEYS_FILE, docs/security.md)."""

from __future__ import annotations

import hashlib
import re
import secrets
from datetime import date, timedelta
from typing import Annotated

import typer
from rich.console import Console

app = typer.Typer(no_args_is_help=True, help="Keys that the gateway asks callers for.")

SCOPES = ("classify", "generate", "admin")
_ERRORS = Console(stderr=True, highlight=False)
_PREFIX, _BYTES = "mien_", 32  # the prefix is for programs that look for keys where there should be none


@app.callback()
def keys() -> None:
    """Keys that the gateway asks callers for."""


@app.command()
def new(
    id: Annotated[str, typer.Argument(help="its name, which logs show: letters, digits, _ and -")],
    scopes: Annotated[str, typer.Option(help=f"what it may do, of {', '.join(SCOPES)}; several with commas")] = SCOPES[
        0
    ],
    expires: Annotated[
        str, typer.Option(help="the last day, 2027-06-30, or days from now, 90d; empty: never")
    ] = "365d",
    per_second: Annotated[float, typer.Option(min=0, help="calls and items of streams; 0: any number")] = 0.0,
    burst: Annotated[float, typer.Option(min=0, help="so many at once after a pause; 0: those of a second")] = 0.0,
    at_once: Annotated[int, typer.Option(min=0, help="calls and streams in work; 0: any number")] = 0,
) -> None:
    """Make a key: it is printed once, on standard error, and its line for the file on standard output.

    So `mien keys new museum >> keys.toml` shows the key to you alone; running gateways take it within a second.
    """
    if not re.fullmatch(r"[A-Za-z0-9_-]{1,64}", id):
        raise _refusal("an id has 1 to 64 letters, digits, _ or -")
    wanted = [scope.strip() for scope in scopes.split(",")]
    if not set(wanted) <= set(SCOPES):
        raise _refusal(f"--scopes are some of {', '.join(SCOPES)}, with commas")
    key = _PREFIX + secrets.token_urlsafe(_BYTES)
    values = {
        "sha256": f'"{hashlib.sha256(key.encode()).hexdigest()}"',
        "scopes": "[" + ", ".join(f'"{scope}"' for scope in wanted) + "]",
        "expires": f'"{_day(expires)}"' if expires else "",
        "per_second": f"{per_second:g}" if per_second else "",
        "burst": f"{burst:g}" if burst else "",
        "at_once": str(at_once) if at_once else "",
    }
    _ERRORS.print(
        f"The key of {id}; it is shown this once, and kept nowhere:\n\n  {key}\n", markup=False, soft_wrap=True
    )
    line = ", ".join(f"{name} = {value}" for name, value in values.items() if value)
    Console(highlight=False).print(f"{id} = {{ {line} }}", markup=False, soft_wrap=True)


def _day(text: str) -> date:
    try:
        if days := re.fullmatch(r"(\d{1,5})d", text):
            return date.today() + timedelta(int(days[1]))  # a day more or less, by where one is
        return date.fromisoformat(text)
    except (ValueError, OverflowError):
        raise _refusal("--expires is a day, as 2027-06-30, or a number of days, as 90d") from None


def _refusal(sentence: str) -> typer.Exit:
    """One sentence on standard error, and exit status 2."""
    _ERRORS.print(f"mien: {sentence}", style="red", markup=False, soft_wrap=True)
    return typer.Exit(2)

"""`mien models`: which versions of its models a running process serves; load one, or let one go.

Asks the admin port of that process (MIEN_ADMIN_PORT, deploy/README.md). Where it asks for keys, MIEN_KEY holds one with
the scope admin.
"""

from __future__ import annotations

import json
import os
import ssl
import urllib.error
import urllib.request
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from mien.cli_access import Ca, access

app = typer.Typer(no_args_is_help=True, help="The models of a running process: list, load and unload versions.")

_ERRORS = Console(stderr=True, highlight=False)
_WITHIN_S = 600.0  # a load ends when the version before it has finished what it ran

Admin = Annotated[str, typer.Option(help="host:port of the process's admin port; empty: MIEN_ADMIN_PORT of this one")]
Name = Annotated[str, typer.Argument(help="the model's name")]


@app.command("list")
def list_models(admin: Admin = "", ca: Ca = None) -> None:
    """Every model: its versions on disk, those that are loaded, and the one that answers."""
    table = Table("model", "state", "on disk", "loaded", "answers", "on trial")
    for model in _ask(admin, ca, "models")["models"]:
        canary, shadow = model["canary"], model["shadow"]
        trials = [f"canary {canary['version']}: {canary['percent']:g} %"] if canary else []
        trials += [f"shadow {shadow}"] if shadow else []
        on_disk, loaded = (" ".join(map(str, model[key])) for key in ("on_disk", "loaded"))
        table.add_row(model["name"], model["state"], on_disk, loaded, str(model["answering"]), ", ".join(trials))
    Console().print(table)


@app.command()
def load(
    name: Name,
    version: Annotated[int | None, typer.Argument(min=1, help="a version on disk; left out: the newest")] = None,
    admin: Admin = "",
    ca: Ca = None,
) -> None:
    """Have a version answer: a newer one, or an older one to go back."""
    _say(_ask(admin, ca, f"models/{name}/load", {} if version is None else {"version": version}))


@app.command()
def unload(
    name: Name,
    version: Annotated[int, typer.Argument(min=1, help="a version that is loaded and does not answer")],
    admin: Admin = "",
    ca: Ca = None,
) -> None:
    """Let a version go: that ends a canary or a shadow."""
    _say(_ask(admin, ca, f"models/{name}/unload", {"version": version}))


def _say(model: dict[str, Any]) -> None:
    loaded = ", ".join(map(str, model["loaded"]))
    Console(highlight=False).print(f"{model['name']}: version {model['answering']} answers; loaded: {loaded}")


def _ask(admin: str, ca: Path | None, path: str, body: dict[str, int] | None = None) -> Any:
    """The admin port's answer; a POST where there is a body."""
    port = os.environ.get("MIEN_ADMIN_PORT", "0")
    if not admin and port == "0":
        raise _refusal("name the admin port of a running process: --admin 127.0.0.1:8090, or set MIEN_ADMIN_PORT")
    address = admin or f"127.0.0.1:{port}"
    data = None if body is None else json.dumps(body).encode()
    try:
        way_in = access(None, False, ca, None)
        context = ssl.create_default_context(cafile=ca) if ca else None
    except (ValueError, OSError) as error:  # the second: it is no certificate
        raise _refusal(f"--ca is no certificate in PEM: {ca}" if isinstance(error, OSError) else str(error)) from None
    url = f"http{'s' if ca else ''}://{address}/v1/admin/{path}"
    headers = {"Content-Type": "application/json", **dict(way_in.metadata() or ())}
    request = urllib.request.Request(url, data, headers)  # noqa: S310
    try:
        with urllib.request.urlopen(request, timeout=_WITHIN_S, context=context) as response:  # noqa: S310
            return json.load(response)
    except urllib.error.HTTPError as error:
        raise _refusal(_detail(error)) from None
    except (OSError, ValueError):
        raise _refusal(f"no admin port of Mien answers at {address}: start a process with MIEN_ADMIN_PORT") from None


def _detail(error: urllib.error.HTTPError) -> str:
    try:
        problem = json.load(error)
        return f"{problem['detail']} ({problem['code']})"
    except (ValueError, KeyError, TypeError):
        return f"the answer was {error.code}: is this an admin port of Mien?"


def _refusal(sentence: str) -> typer.Exit:
    """One sentence on standard error, and exit status 2."""
    _ERRORS.print(f"mien: {sentence}", style="red", markup=False, soft_wrap=True)
    return typer.Exit(2)

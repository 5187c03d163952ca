"""The command `mien`. A verb's module is loaded when the verb is called; one whose extra is missing says which."""

from __future__ import annotations

import asyncio
import os
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from mien import cli_keys, cli_models
from mien.access import Access
from mien.cli_access import Ca, Certificate, Encrypted, KeyFile, access

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Reads facial expressions in photographs of statues and of people. "
    "An expression shown is not an emotion felt.",
)
app.add_typer(cli_models.app, name="models")
app.add_typer(cli_keys.app, name="keys")


class Engine(StrEnum):
    """Who has a batch answered."""

    STREAM = "stream"
    RAY = "ray"


LOCAL = "127.0.0.1:50051"
ERRORS = Console(stderr=True, highlight=False)


@app.command()
def serve(
    role: Annotated[str, typer.Argument(help="all, gateway, detection, classification or generation")] = "all",
) -> None:
    """Run the services; settings are MIEN_* environment variables (.env.example)."""
    try:
        from pydantic import ValidationError

        from services import app as services_app
        from services.chassis.server import authority
        from services.inference.repository import RepositoryError
        from services.settings import Settings
    except ModuleNotFoundError as error:
        raise _missing("cpu", error) from None
    roles = services_app.ROLES if role == "all" else (role,)
    if not set(roles) <= set(services_app.ROLES):
        raise _refusal(f"there is no service {role!r}: choose all, {', '.join(services_app.ROLES)}")
    try:
        settings = Settings()
    except ValidationError as error:
        lines = [f"MIEN_{'_'.join(map(str, item['loc'])).upper()}: {item['msg']}" for item in error.errors()]
        raise _refusal("; ".join(lines)) from None

    def announce() -> None:
        if "gateway" in roles:
            scheme = "https" if settings.tls_certificate else "http"
            url = f"{scheme}://{authority(settings.host, settings.gateway_rest_port)}"
            key = '-H "Authorization: Bearer $MIEN_KEY" ' if settings.keys_file else ""
            ERRORS.print(f"\nMien answers at [bold]{url}[/]  (docs at {url}/docs, metrics at {url}/metrics). Try:\n")
            ERRORS.print(f"  curl {key}-F image=@photo.jpg {url}/v1/classify\n\nCtrl-C stops it.\n", soft_wrap=True)

    try:
        asyncio.run(services_app.serve(settings, roles, announce))
    except (OSError, RepositoryError) as error:
        raise _refusal(str(error)) from None


@app.command()
def classify(
    paths: Annotated[
        list[str],
        typer.Argument(help="photos, folders, globs, @list.txt, .tar, .tar.gz, .parquet; - reads paths on stdin"),
    ],
    to: Annotated[Path | None, typer.Option(help="the table: .parquet, .csv or .jsonl; goes on where it ended")] = None,
    gateway: Annotated[
        list[str] | None,
        typer.Option(
            "--gateway",
            "--server",
            help=f"host:port of a gateway's gRPC; may be repeated. Left out: {LOCAL}; with ray: models in the workers",
        ),
    ] = None,
    model: Annotated[str, typer.Option(help="a model's name; empty: the default one")] = "",
    whole_picture: Annotated[bool, typer.Option(help="the picture is one face already")] = False,
    connections: Annotated[int, typer.Option(min=1, max=64, help="to each gateway")] = 1,
    patience: Annotated[float, typer.Option(min=0, help="seconds to go on while no gateway answers")] = 60.0,
    part: Annotated[
        int, typer.Option(min=1, max=10_000, help="images in each file of results while the run goes on")
    ] = 1000,
    restart: Annotated[bool, typer.Option(help="forget what an earlier run has done")] = False,
    keep_parts: Annotated[bool, typer.Option(help="leave the files of results beside the table")] = False,
    engine: Annotated[Engine, typer.Option(help="stream: connections of this process; ray: workers of a cluster")] = (
        Engine.STREAM
    ),
    ray_address: Annotated[
        str, typer.Option(help="host:port of a Ray cluster, or auto; empty: one for this run, here")
    ] = "",
    workers: Annotated[int, typer.Option(min=0, help="of the Ray cluster; 0: one for each of its CPUs")] = 0,
    key_file: KeyFile = None,
    tls: Encrypted = False,
    ca: Ca = None,
    certificate: Certificate = None,
) -> None:
    """Ask running gateways what the faces of photos show: one photo on the terminal, any number into a table."""
    way_in = _access(key_file, tls, ca, certificate)
    if to is not None:
        from mien.batch.command import classify_many
        from mien.batch.run import Order

        gateways = gateway or [LOCAL]
        order = Order(to, gateways, connections, model, whole_picture, patience, part, restart, keep_parts, way_in)
        if engine == Engine.STREAM:
            raise typer.Exit(classify_many(paths, order, ERRORS))
        try:
            from mien.batch.cluster import Cluster, Plan
            from mien.batch.worker import Help
        except ModuleNotFoundError as error:
            raise _missing("ray", error) from None
        settings = {
            name: value for name, value in os.environ.items() if name.startswith("MIEN_") and name != "MIEN_KEY"
        }
        helper = Help(gateway or [], connections, patience, settings, way_in)
        with Cluster(Plan(ray_address, workers, part, helper)) as cluster:
            raise typer.Exit(classify_many(paths, order, ERRORS, cluster))
    if len(paths) > 1 or not Path(paths[0]).is_file():
        raise _refusal("one photo is shown on the terminal; for anything else name a table: --to results.parquet")
    from mien.client import CallError, Client
    from mien.tables import faces_table

    with Client((gateway or [LOCAL])[0], key=way_in.key, tls=way_in.tls) as client:
        try:
            reply = client.classify(Path(paths[0]).read_bytes(), model=model, whole_picture=whole_picture)
        except CallError as error:
            raise _refusal(f"{error.detail} ({error.code})") from None
    Console().print(faces_table(reply))


@app.command()
def generate(
    photo: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="a photo")],
    to: Annotated[Path, typer.Option(file_okay=False, help="the folder for the pictures; made where it is missing")],
    expression: Annotated[str, typer.Option(help="neutral, happiness, surprise, sadness, anger, disgust or fear")] = "",
    unit: Annotated[list[str] | None, typer.Option(help="an action unit instead, as AU12=0.8; may be repeated")] = None,
    intensity: Annotated[float, typer.Option(min=0, max=1, help="how far to go")] = 1.0,
    steps: Annotated[int, typer.Option(help="2 to 32: so many pictures on the way; 0: one")] = 0,
    face: Annotated[int | None, typer.Option(min=0, help="which face, from left to right from 0; else all")] = None,
    jpeg: Annotated[bool, typer.Option(help="write JPEG, not PNG")] = False,
    gateway: Annotated[str, typer.Option(help="host:port of a gateway's gRPC")] = LOCAL,
    model: Annotated[str, typer.Option(help="a model's name; empty: the default one")] = "",
    key_file: KeyFile = None,
    tls: Encrypted = False,
    ca: Ca = None,
    certificate: Certificate = None,
) -> None:
    """Ask a running gateway for the photo with another expression on its faces."""
    from mien.client import CallError, Client

    if bool(expression) == bool(unit):
        raise _refusal("name either an --expression or one --unit or more")
    way_in = _access(key_file, tls, ca, certificate)
    with Client(gateway, key=way_in.key, tls=way_in.tls) as client:
        try:
            reply = client.generate(
                photo.read_bytes(),
                expression=expression,
                action_units=_units(unit) if unit else None,
                intensity=intensity,
                face=face,
                steps=steps,
                model=model,
                jpeg=jpeg,
            )
        except CallError as error:
            raise _refusal(f"{error.detail} ({error.code})") from None
    to.mkdir(parents=True, exist_ok=True)
    name, suffix = f"{photo.stem}_{expression or 'units'}", ".jpg" if jpeg else ".png"
    pictures = [(f"{name}_{number:02}", frame.image) for number, frame in enumerate(reply.frames, 1)]
    for stem, picture in pictures or [(name, reply.image)]:
        (to / f"{stem}{suffix}").write_bytes(picture)
        Console().print(str(to / f"{stem}{suffix}"), markup=False, highlight=False, soft_wrap=True)


@app.command()
def report(
    results: Annotated[
        list[Path], typer.Argument(metavar="RESULTS...", help=".parquet, .csv, .jsonl or folders of them")
    ],
    to: Annotated[Path, typer.Option(dir_okay=False, help="the page, .html; its .csv and .md are written beside it")],
    by: Annotated[str | None, typer.Option(help="group by this column of the groups file or the results")] = None,
    groups: Annotated[Path | None, typer.Option(help="a .csv or .parquet with a row for each image")] = None,
    images: Annotated[Path | None, typer.Option(help="the folder that was read, to show examples")] = None,
    model_note: Annotated[str, typer.Option(help="a sentence on the model for the page's foot")] = "",
) -> None:
    """Expressions by group, from tables of results: a page with plots, intervals and differences."""
    from mien.report.write import write

    try:
        written = write(results, to, by=by, groups_file=groups, images=images, model_note=model_note)
    except ModuleNotFoundError as error:
        if error.name != "PIL":
            raise
        raise _missing("cpu", error) from None
    except (ValueError, OSError) as error:
        raise _refusal(str(error)) from None
    for path in written:
        Console().print(str(path), markup=False, highlight=False, soft_wrap=True)


def _access(key_file: Path | None, tls: bool, ca: Path | None, certificate: Path | None) -> Access:
    try:
        return access(key_file, tls, ca, certificate)
    except ValueError as error:
        raise _refusal(str(error)) from None


def _units(options: list[str]) -> dict[str, float]:
    """AU12=0.8 and so on → intensities by name; the gateway says whether it knows them."""
    units = {}
    for option in options:
        name, _, number = option.partition("=")
        try:
            units[name.strip().upper()] = float(number)
        except ValueError:
            raise _refusal(f"--unit {option}: write it as AU12=0.8") from None
    return units


def _training() -> typer.Typer:
    """The verbs of training; without the extra `train`, one sentence stands in for each."""
    from mien import cli_training

    return cli_training.app


def _missing(extra: str, error: ModuleNotFoundError) -> typer.Exit:
    return _refusal(f"this verb needs the extra {extra!r} ({error.name} is not installed): pip install 'mien[{extra}]'")


def _refusal(sentence: str) -> typer.Exit:
    """One sentence on standard error, and exit status 2."""
    ERRORS.print(f"mien: {sentence}", style="red", markup=False, soft_wrap=True)
    return typer.Exit(2)


def main() -> None:
    """The console script."""
    training = _training()
    app.registered_commands.extend(training.registered_commands)
    app.registered_groups.extend(training.registered_groups)
    app()


if __name__ == "__main__":
    main()

"""The verbs of whoever trains: `mien train`, `evaluate`, `export`, `compare`, `gan18k`, `experiment` and `clay`.

They need the `train` extra. Everything of `training` is imported when a verb is called, so that this module can be
registered where torch is not installed. What a person can put right (a wrong path, a wrong key, a graph that fails
the gate) is one sentence and exit code 2, never a traceback. Several processes:

    torchrun --nproc-per-node 2 -m mien.cli_training train training/configs/ferplus_arm.toml
"""

from __future__ import annotations

import functools
import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer
from rich.console import Console

if TYPE_CHECKING:
    from training.config import Config

Verb = TypeVar("Verb", bound=Callable[..., None])
ConfigFile = Annotated[Path, typer.Argument(metavar="CONFIG", help="A run's configuration, training/configs/*.toml.")]
Folder = Annotated[Path | None, typer.Option(help="The run's folder; default runs/<name>.")]

app = typer.Typer(no_args_is_help=True, help="Train, evaluate, export and compare models; make corpora.")
clay = typer.Typer(no_args_is_help=True, help="The corpus of rendered statue heads.")
app.add_typer(clay, name="clay")
console = Console()


def friendly(verb: Verb) -> Verb:
    """Tell what a person can put right in one sentence and leave with exit code 2."""

    @functools.wraps(verb)
    def told(*args: object, **values: object) -> None:
        try:
            verb(*args, **values)
        except ModuleNotFoundError as error:
            if (error.name or "").partition(".")[0] in {"mien", "training"}:
                raise
            _refuse(f"{error.name} is not installed: pip install 'mien[train]'")
        except (ValueError, FileNotFoundError) as error:
            _refuse(str(error))

    return told  # type: ignore[return-value]


def _refuse(sentence: str) -> None:
    Console(stderr=True).print(sentence, style="red", highlight=False, markup=False, soft_wrap=True)
    raise typer.Exit(2)


@app.command()
@friendly
def train(
    config: ConfigFile,
    folder: Folder = None,
    stop_after_s: Annotated[float, typer.Option(help="Save and stop after this long; 0: train to the end.")] = 0,
) -> None:
    """Train a configuration; the same command again continues where it stopped."""
    from training import loop, methods
    from training.config import load

    found = load(config)
    method = methods.of(found)
    where = _folder(found, folder)
    try:
        best = loop.run(found, lambda process: method.build(found, process), where, stop_after_s)
    finally:
        loop.leave()
    if best and os.environ.get("RANK", "0") == "0":
        console.print(f"Best epoch {best['epoch']:.0f}: score {best['score']:.4f} on validation, in {where}")


@app.command()
@friendly
def evaluate(
    config: Annotated[Path | None, typer.Argument(metavar="[CONFIG]", help="A run's configuration.")] = None,
    model: Annotated[
        Path | None, typer.Option(help="An exported file; its card.json says which data it is for.")
    ] = None,
    folder: Folder = None,
) -> None:
    """Score a run's best epoch, or an exported file, and write its report into the run's folder."""
    import json

    from training import methods
    from training.config import from_dict, load

    if config is not None:
        found = load(config)
    elif model is not None:
        card = model.with_name("card.json")
        if not card.exists():
            raise FileNotFoundError(f"no {card}: name the configuration too, it says on which data to evaluate")
        found = from_dict(json.loads(card.read_text())["recipe"])
    else:
        raise ValueError("name a configuration, or an exported file with --model")
    where = folder or Path("runs") / (f"{found.name}_exported" if model else found.name)
    console.print(methods.of(found).evaluate(found, where, model), highlight=False, markup=False, soft_wrap=True)


@app.command()
@friendly
def export(
    config: ConfigFile,
    folder: Folder = None,
    to: Annotated[Path, typer.Option(help="The model repository.")] = Path("model_repository"),
    role: Annotated[str, typer.Option(help="The entry in it, if not the method's own.")] = "",
    measure: Annotated[bool, typer.Option(help="Tell rows per second of each file, on one core.")] = False,
) -> None:
    """Export a run's best epoch as the next version in the model repository, if it passes the gate."""
    from training import methods
    from training.config import load
    from training.speed import images_per_s

    found = load(config)
    method = methods.of(found)
    landed = method.export(found, _folder(found, folder), to, role or method.role)
    console.print(f"Exported to {landed}: rollback is deleting that folder")
    for file in sorted(landed.glob("*.onnx")) if measure else []:
        rates = ", ".join(f"{images_per_s(file, batch):.0f} at batch {batch}" for batch in (1, 8))
        console.print(f"{file.name}: images/s {rates}")


@app.command()
@friendly
def compare(
    runs: Annotated[list[Path], typer.Argument(metavar="RUN...", help="Run folders that were evaluated.")],
    to: Annotated[Path, typer.Option(help="Where comparison.md and comparison.html go.")] = Path("runs"),
    into: Annotated[Path | None, typer.Option(help="A Markdown file that gets the table between its markers.")] = None,
) -> None:
    """Put several evaluated runs side by side."""
    from training import comparison

    page = comparison.write(runs, to, into)
    console.print(page.with_suffix(".md").read_text(), markup=False, soft_wrap=True)
    console.print(f"See {page}")


@app.command()
@friendly
def gan18k(
    faces: Annotated[Path, typer.Argument(metavar="FACES", help="Neutral faces: photographs, or a rendered corpus.")],
    to: Annotated[Path, typer.Option(help="The folder of the pictures and their manifest.")],
    sets: Annotated[
        int, typer.Option(min=1, help="Draws of each expression; a larger number later adds to them.")
    ] = 890,
    step: Annotated[list[float] | None, typer.Option(help="Again for each: how far to go; default .4, .6, .8.")] = None,
    sources: Annotated[int, typer.Option(min=0, help="At most so many faces, spread over the corpus; 0: all.")] = 0,
    seed: Annotated[int, typer.Option(help="Of the draws.")] = 1,
    references: Annotated[
        int, typer.Option(min=0, help="Draws that all faces share, one face after the other; 0: each set has its own.")
    ] = 0,
    models: Annotated[Path, typer.Option(help="The model repository.")] = Path("model_repository"),
) -> None:
    """Put seven expressions on neutral faces: a labelled set for training; the same command again continues it."""
    import time

    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    from training import gate
    from training.export import newest
    from training.ganimation import gan18k as making
    from training.ganimation import sources as reader
    from training.ganimation.rendering import of_file

    roles = ("expression_generator", "face_landmarker", "face_detector")
    generator, landmarker, detector = files = tuple(newest(models / role) for role in roles)
    reads = gate.of_file(landmarker)
    found = reader.read(faces, gate.of_file(detector), reads, sources)
    recipe = making.recipe(found, files, sets, tuple(step or making.STEPS), seed, references)
    began, first = time.monotonic(), None
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console) as progress:
        bar = progress.add_task(f"sets on {len(found):,} faces", total=sets)
        for done, _ in making.make(recipe, found, of_file(generator), reads, to, os.cpu_count() or 1):
            first = done if first is None else first
            progress.update(bar, completed=done)
    made = (sets - (first or 0)) * len(recipe.steps) * 7
    console.print((to.expanduser() / "statistics.md").read_text(), markup=False, highlight=False)
    console.print(f"{made / (time.monotonic() - began):.1f} places a second; see {to}/sheet.png", highlight=False)


@app.command()
@friendly
def experiment(
    names: Annotated[list[str], typer.Argument(metavar="NAME...", help="Experiments (docs/experiments.md), or all.")],
    to: Annotated[Path, typer.Option(help="The results' folder; what is there and unchanged is kept.")],
    config: Annotated[Path, typer.Option(help="training/configs/experiments_*.toml.")] = Path(
        "training/configs/experiments_small.toml"
    ),
    into: Annotated[
        Path | None, typer.Option(help="A Markdown file that gets the results between its markers.")
    ] = None,
) -> None:
    """Run the paper's experiments, our numbers beside the paper's; the same command again continues."""
    from training.experiments import run, settings

    def tell(line: str) -> None:
        console.print(line, highlight=False, markup=False, soft_wrap=True)

    page = run.run(names, settings.load(config), to, into, tell)
    console.print(f"See {page}", highlight=False)


@clay.command()
@friendly
def render(
    config: Annotated[Path, typer.Argument(metavar="CONFIG", help="A corpus, training/configs/clay_*.toml.")],
    count: Annotated[int, typer.Option(min=1, help="How many pictures; a larger number later adds to them.")],
    to: Annotated[Path, typer.Option(help="The corpus' folder.")],
    processes: Annotated[int, typer.Option(min=0, help="At the same time; 0: one for each core.")] = 0,
) -> None:
    """Render statue heads with their truth; the same command again continues where it stopped."""
    import time

    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    from training.clay import corpus, settings, sheet
    from training.clay import render as rendering

    clay_config = settings.load(config)
    began, first = time.monotonic(), None
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console) as progress:
        bar = progress.add_task(clay_config.name, total=count)
        for done, _ in rendering.render(clay_config, count, to, processes):
            first = done if first is None else first
            progress.update(bar, completed=done)
    rate = (count - (first or 0)) / (time.monotonic() - began)
    page = sheet.write(corpus.read(to))
    console.print(f"{count:,} pictures in {to}, {rate:.1f} a second; see sheet.jpg and {page}", highlight=False)


@clay.command("sheet")
@friendly
def look(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="A rendered corpus.")],
    photos: Annotated[
        Path | None, typer.Option(help="Photographs with yunet_faces.json, to lay beside the rendered ones.")
    ] = None,
) -> None:
    """Draw a corpus' contact sheets and count what is in it."""
    from training.clay import corpus, sheet

    found = corpus.read(folder)
    page = sheet.write(found)
    console.print(page.read_text(), markup=False, highlight=False)
    if photos is not None:
        console.print(f"See {sheet.beside(found, photos)}", highlight=False)


def _folder(config: Config, folder: Path | None) -> Path:
    return folder or Path("runs") / config.name


if __name__ == "__main__":
    app()

"""The verbs of whoever trains: `mien train`, `evaluate`, `export` and `compare`.

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

app = typer.Typer(no_args_is_help=True, help="Train, evaluate, export and compare expression classifiers.")
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
    from training import loop
    from training.arm.task import ClassificationTask
    from training.config import load
    from training.data import sources

    found = load(config)

    def build(process: loop.Process) -> ClassificationTask:
        split = sources.read(found.data.source, found.data.path, found.data.rows)
        return ClassificationTask(found, split, process.device, process.rank, process.world)

    where = _folder(found, folder)
    try:
        best = loop.run(found, build, where, stop_after_s)
    finally:
        loop.leave()
    if best and os.environ.get("RANK", "0") == "0":
        console.print(f"Best epoch {best['epoch']:.0f}: accuracy {best['accuracy']:.4f} on validation, in {where}")


@app.command()
@friendly
def evaluate(
    config: Annotated[Path | None, typer.Argument(metavar="[CONFIG]", help="A run's configuration.")] = None,
    model: Annotated[
        Path | None, typer.Option(help="An exported file; its card.json says which data it is for.")
    ] = None,
    folder: Folder = None,
) -> None:
    """Score a run's best epoch, or an exported file, on the validation faces and write report.html and report.json."""
    import json

    from training import report, runs
    from training.arm import networks
    from training.config import from_dict, load
    from training.data import sources
    from training.evaluate import evaluate as score
    from training.evaluate import of_file, of_network, predict

    if model is not None:
        card = model.with_name("card.json")
        if config is None and not card.exists():
            raise FileNotFoundError(f"no {card}: name the configuration too, it says on which data to evaluate")
        found = load(config) if config else from_dict(json.loads(card.read_text())["recipe"])
        where, measured, epochs = (
            folder or Path("runs") / f"{found.name}_exported",
            f"the exported file {model.name}",
            [],
        )
        answers, side_px = of_file(model), networks.FACE_PX
    elif config is not None:
        run = runs.open_run(_folder(load(config), folder))
        found, where, side_px = run.config, run.folder, run.config.train.face_px
        measured, epochs = f"the best epoch, {run.scores['epoch']:.0f}", runs.epochs(run.folder)
        answers = of_network(networks.served(run.network))
    else:
        raise ValueError("name a configuration, or an exported file with --model")
    table = sources.read(found.data.source, found.data.path).validation
    result = score(table.labels, predict(answers, table, side_px))
    page = report.write(where, found, result, measured, epochs)
    low, high = result.accuracy_interval
    console.print(
        f"Accuracy {result.accuracy:.4f} ({low:.4f} to {high:.4f}), macro F1 {result.macro_f1:.4f}: see {page}"
    )


@app.command()
@friendly
def export(
    config: ConfigFile,
    folder: Folder = None,
    to: Annotated[Path, typer.Option(help="The model repository.")] = Path("model_repository"),
    role: Annotated[
        str, typer.Option(help="The entry in it; its config.pbtxt is the contract.")
    ] = "expression_classifier",
    int8: Annotated[bool, typer.Option(help="Make the 8-bit form the CPU default if it is accurate enough.")] = True,
    measure: Annotated[bool, typer.Option(help="Tell images per second of each file, on one core.")] = False,
) -> None:
    """Export a run's best epoch as the next version in the model repository, if it passes the gate."""
    from training.config import load
    from training.data import sources
    from training.export import export as make
    from training.speed import images_per_s

    found = load(config)
    split = sources.read(found.data.source, found.data.path, found.data.rows)
    landed = make(_folder(found, folder), to, split, role, int8)
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


def _folder(config: Config, folder: Path | None) -> Path:
    return folder or Path("runs") / config.name


if __name__ == "__main__":
    app()

"""The expression classifiers behind the command line: what `training.methods.Method` asks for."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from training import report, runs
from training.arm import networks
from training.arm.task import ClassificationTask
from training.clay import corpus as clay
from training.config import Config
from training.data import sources, statues
from training.data.faces import Split
from training.evaluate import evaluate as score
from training.evaluate import of_file, of_network, predict
from training.export import export as land
from training.loop import Process


def read(config: Config) -> Split:
    """The faces that a configuration names."""
    split = sources.read(config.data.source, config.data.path, config.data.rows)
    if not config.data.statues:
        return split
    return sources.with_statues(split, config.data.statues, config.data.landmarker, config.loss.units > 0)


def build(config: Config, process: Process) -> ClassificationTask:
    return ClassificationTask(config, read(config), process.device, process.rank, process.world)


def evaluate(config: Config, folder: Path, model: Path | None) -> str:
    """Score the run's best epoch, or the exported file `model`: `report.html` on the validation faces,
    `statues.html` on the first test corpus that the configuration names, and `statues_<corpus>.html` on each other."""
    if model is not None:
        measured, epochs = f"the exported file {model.name}", []
        answers, side_px = of_file(model), networks.FACE_PX
    else:
        run = runs.open_run(folder)  # what is read is the configuration's to say, what was learnt the run's
        config, side_px = replace(run.config, data=config.data), run.config.train.face_px
        measured, epochs = f"the best epoch, {run.scores['epoch']:.0f}", runs.epochs(folder)
        answers = of_network(networks.served(run.network, face_px=side_px))
    table = sources.read(config.data.source, config.data.path).validation
    result = score(table.labels, predict(answers, table, side_px))
    page = report.write(folder, config, result, measured, epochs)
    low, high = result.accuracy_interval
    told = f"Accuracy {result.accuracy:.4f} ({low:.4f} to {high:.4f}), macro F1 {result.macro_f1:.4f}: see {page}"
    for number, corpus in enumerate(map(Path, config.data.statues_test)):
        found = statues.read(corpus, Path(config.data.landmarker))
        found = found.take(found.clear)
        given = predict(answers, found.table, side_px)
        result = score(found.table.labels, given)
        bands = {}
        for size in clay.SIZES:
            rows = found.size == size
            if rows.any():
                bands[f"{size} px"] = score(found.table.labels[rows], given[rows])
        name = f"{report.STATUES}_{corpus.name}" if number else report.STATUES
        page = report.write(folder, config, result, measured, [], name, bands)
        told += (
            f"\nStatues of {corpus.name}: macro recall {result.macro_recall:.4f} of {result.rows:,} unseen rendered "
            f"faces: see {page}"
        )
    return told


def export(config: Config, folder: Path, repository: Path, role: str) -> Path:
    """Land the run's best epoch as the next version; see `training.export`."""
    return land(folder, repository, read(config), role)

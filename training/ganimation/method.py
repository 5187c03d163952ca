"""The method `ganimation` for the command line: what to train, how to score it, how it lands in the repository."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from training import checkpoint, gate
from training.card import STATEMENTS, fingerprint, mien_version
from training.clay import corpus as clay
from training.clay.corpus import ACTION_UNITS
from training.config import Config, as_dict
from training.export import landing, to_onnx
from training.ganimation import people as reader
from training.ganimation import pieces, readers, report, sheets
from training.ganimation.evaluate import Evaluation
from training.ganimation.evaluate import evaluate as score
from training.ganimation.networks import FACE_PX, GATE, Generator, ServedGenerator
from training.ganimation.pieces import Pieces
from training.ganimation.rendering import Render, of_file, of_network, served
from training.ganimation.task import GenerationTask, networks
from training.loop import Process
from training.shape.align import landmarker

# A half that is rounded to the other side is one level, and that is `gate.PARITY` of this unit; rows that share a batch
# must not differ by a level at all. The mask, unrounded, is held to the usual limits.
GATE_UNITS = {"rendered": 1 / gate.PARITY}
LIMITS = [
    "A rendered expression says nothing about what anybody felt or feels; a rendered face is not a record of anything.",
    "True pairs are rendered heads only; what it does to photographs was read by networks and looked at, not measured.",
    "It sees 128 px: a larger face is repainted at that resolution where the mask is open.",
    "What opens (teeth, the inside of a mouth, the white of an eye) is invented.",
]


def build(config: Config, process: Process) -> GenerationTask:
    """The task: the corpus' scenes and the people in memory, some identities held out.

    Raises:
        ValueError: another face size than the generator's, or more processes than one.
    """
    how = config.generation
    _check_size(config)
    if process.world > 1:
        raise ValueError("ganimation trains on one process: start it without torchrun")
    corpus = clay.read(Path(how.corpus))
    train, validation = pieces.split(corpus, how.held_out, how.images)
    statues = pieces.load(corpus, train, how.size_jitter)
    held_out = pieces.load(corpus, validation)
    people = reader.read(how, corpus.folder, True) if how.people and how.people_share else None
    return GenerationTask(config, statues, held_out, people, process.device)


def evaluate(config: Config, folder: Path, model: Path | None = None) -> str:
    """Score the run's best epoch, or an exported file, on the test corpus and on people, write the report and the
    sheets into `folder`, and say the most important of it in one line.

    Raises:
        FileNotFoundError: no run, no file or no corpus.
        ValueError: the configuration names no test corpus.
    """
    if not config.generation.test:
        raise ValueError(
            'ganimation: name a test corpus (test = "FOLDER" in [generation]), rendered from heads never trained on'
        )
    if model is None:
        render, measured = _best(config, folder), "the best epoch"
    else:
        render, measured = of_file(model), f"the exported file {model.name}"
    statues, people = _tested(config)
    found = _score(config, render, statues, people)
    pictures = [
        sheets.pairs(folder / "generator_pairs.png", render, statues),
        sheets.expressions(folder / "generator_statues.png", render, statues),
    ]
    if people is not None:
        pictures.append(sheets.expressions(folder / "generator_people.png", render, people))
    page = report.write(folder, config, found, measured, pictures)
    return f"{report.summary(found)}: see {page}"


def export(config: Config, folder: Path, repository: Path, role: str = "expression_generator") -> Path:
    """Export a run's best epoch as the next version of a repository entry, if it passes the gate.

    Returns:
        The new version's folder.

    Raises:
        FileNotFoundError: no run, or an entry without `config.pbtxt`.
        ValueError: a published generator: it takes target units, the contract a change.
        GateError: the graph may not be served; nothing landed.
    """
    if config.generation.kind != "film":
        raise ValueError(
            f"{config.name} is a published generator: it takes target units and repaints where no change is asked, the "
            'contract wants a change; only kind = "film" can be exported'
        )
    _check_size(config)
    contract = gate.read_contract(repository / role / "config.pbtxt")
    network = _network(config, folder)
    assert isinstance(network, Generator)
    with landing(repository / role) as (aside, number):
        file = aside / "model.onnx"
        to_onnx(ServedGenerator(network).eval(), file, contract)
        gate.admit(file, contract, served(network), sane, GATE_UNITS)
        unchanged(gate.of_file(file), gate.images(contract))
        found = _score(config, of_file(file), *_tested(config)) if config.generation.test else None
        card = _card(role, number, config, found, checkpoint.load(folder / "best.pt")["scores"], file)
        (aside / "card.json").write_text(json.dumps(card, indent=2) + "\n")
    return repository / role / str(number)


def sane(answers: gate.Answers) -> None:
    """Masks within [0, 1]; faces are bytes and so within their range."""
    if answers["rendered"].dtype != np.uint8:
        raise gate.GateError(f"rendered faces are {answers['rendered'].dtype}, not bytes")
    if (answers["mask"] < 0).any() or (answers["mask"] > 1).any():
        raise gate.GateError("some masks are outside [0, 1]")


def unchanged(model: Callable[..., gate.Answers], faces: NDArray[np.uint8]) -> None:
    """No change asked: the very same bytes, and a mask of nothing.

    Raises:
        GateError: it is otherwise.
    """
    answer = model(faces, np.zeros((len(faces), len(ACTION_UNITS)), np.float32))
    if not np.array_equal(answer["rendered"], faces) or answer["mask"].any():
        levels = int(np.abs(answer["rendered"].astype(int) - faces).max())
        raise gate.GateError(
            f"without a change a face differs by up to {levels} levels, its mask reaches {answer['mask'].max():.2g}"
        )


def _check_size(config: Config) -> None:
    if config.train.face_px != FACE_PX:
        raise ValueError(f"ganimation: faces have {FACE_PX} px: set face_px = {FACE_PX} in [train]")


def _network(config: Config, folder: Path) -> torch.nn.Module:
    network, _ = networks(config.generation)
    network.load_state_dict(checkpoint.load(folder / "best.pt")["weights"])
    return network.eval()


def _best(config: Config, folder: Path) -> Render:
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    return of_network(_network(config, folder).to(device), config.generation.kind, device)


def _tested(config: Config) -> tuple[Pieces, Pieces | None]:
    """The test corpus' pairs, and FER+'s validation faces where the configuration names FER+."""
    how = config.generation
    corpus = clay.read(Path(how.test))
    rows = pieces.paired(corpus, pieces.usable_pairs(corpus)[: how.test_images or None])
    if not len(rows):
        raise ValueError(f"{corpus.folder} has no pair of pictures to evaluate on: render more")
    labelled = how.people and not how.people_units
    return pieces.load(corpus, rows), reader.read(how, corpus.folder, False) if labelled else None


def _score(config: Config, render: Render, statues: Pieces, people: Pieces | None) -> Evaluation:
    how = config.generation
    return score(render, statues, people, landmarker(Path(how.landmarker)), readers.classifier(Path(how.classifier)))


def _card(
    role: str, number: int, config: Config, found: Evaluation | None, validation: dict[str, float], file: Path
) -> dict[str, Any]:
    how, faces = config.generation, f"uint8 RGB [n, {FACE_PX}, {FACE_PX}, 3]"
    return {
        "name": role,
        "version": number,
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "mien_version": mien_version(),
        "method": config.model.method,
        "statements": STATEMENTS,
        "limits": LIMITS,
        "input": f"faces: {faces}, the landmarker's square: side 1.5 x √(width x height) of a face's box, level eyes; "
        f"change: float32 [n, 17] in [-1, 1], wanted minus present intensity of {', '.join(ACTION_UNITS)}; beyond it "
        "is clipped, not a number counts as 0",
        "output": f"rendered: {faces}; mask: float32 [n, {FACE_PX}, {FACE_PX}] in [0, 1], 1 where it is repainted; "
        f"at most 1 - exp(-{GATE:.0f} x the sum of |change|), so no change gives the same bytes",
        "data": {
            "source": "rendered heads (mien clay render)" + (", people" if how.people and how.people_share else ""),
            "corpus": how.corpus,
            "people": how.people,
            "judge": how.landmarker,
            "rules": "Identities are whole on one side, by a hash of their name.",
        },
        "validation": validation,
        "metrics": report.plain(asdict(found)) if found else {},
        "files": {file.name: {"precision": "float32"} | fingerprint(file)},
        "recipe": as_dict(config),
    }

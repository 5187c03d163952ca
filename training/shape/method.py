"""The method `shape` for the command line: what to train, how to score it, and how it lands in the model repository."""

from __future__ import annotations

import json
import logging
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from training import checkpoint, gate, quantise
from training.card import STATEMENTS, fingerprint, mien_version
from training.clay import corpus as clay
from training.config import Config, as_dict
from training.data import ferplus
from training.export import landing, to_onnx
from training.loop import Process
from training.shape import crops, report, scores, sheets
from training.shape.align import landmarker
from training.shape.evaluate import Answers, Evaluation, ask
from training.shape.evaluate import evaluate as score
from training.shape.frame import Function, default_frame_shape, frame_shape, mean_shape, of_network, served
from training.shape.networks import QUALITY_SCALE, Landmarker, ServedLandmarker
from training.shape.squares import cut
from training.shape.task import ShapeTask

LOG = logging.getLogger("mien.training")
# In the exported graph: what stands before the heat maps may have 8 bits, and the convolutions of the closer look.
HEAT_WEIGHTS, CLOSER_WEIGHTS = "network.heat.weight", "network.closer."
FRAMED_FACES = 2000  # of FER+, to find the classifier's frame
GATE_UNITS = {"frame": 45.0}  # one of its four numbers is degrees
CALIBRATION_HEADS, COMPARED_HEADS = 504, 1500
# What 8 bits may cost on held-out heads: of the units' mean r, of the landmarks' error over the eyes' distance.
CORRELATION_LOSS, ERROR_GAIN = 0.005, 0.0007
LIMITS = [
    "Learnt from rendered heads only; what it says of photographs was looked at, not measured.",
    "Action units are read from one picture, without the face at rest: a person's or a statue's standing features "
    "(low brows, full lips) are read as action.",
    "Left and right are not told apart: an action unit is the stronger or the mean of both sides, as it was rendered.",
]


def build(config: Config, process: Process) -> ShapeTask:
    """The task: the corpora's crops in memory, some identities held out."""
    sides: tuple[list[crops.Crops], list[crops.Crops]] = ([], [])
    for corpus in _corpora(config):
        for side, rows in zip(sides, crops.split(corpus, config.shape.held_out, config.data.rows), strict=True):
            side.append(crops.load(corpus, rows, config.shape.cache_px, process.rank == 0))
    train, validation = (crops.joined(side) for side in sides)
    return ShapeTask(config, train, validation, process.device, process.rank, process.world)


def evaluate(config: Config, folder: Path, model: Path | None = None) -> str:
    """Score the run's best epoch, or an exported file, on the test corpus, write the report into `folder`, and say the
    most important of it in one line.

    Raises:
        FileNotFoundError: no run, no file or no corpus.
        ValueError: the configuration names no test corpus.
    """
    if not config.shape.test:
        raise ValueError('shape: name a test corpus (test = "FOLDER" in [shape]), rendered from heads never trained on')
    if model is None:
        function = of_network(_best(config, folder, framed=False))
        measured = "the best epoch"
    else:
        function, measured = landmarker(model), f"the exported file {model.name}"
    corpus = clay.read(Path(config.shape.test))
    rows = crops.usable(corpus)
    answers = ask(function, corpus, rows, config.train.face_px)
    found = score(corpus, answers, ask(function, corpus, rows, config.train.face_px, config.shape))
    pictures = [sheets.rendered(folder / "landmarks_rendered.png", corpus, answers)]
    if config.shape.photos:
        drawn = sheets.photographs(folder / "landmarks_photos.png", Path(config.shape.photos).expanduser(), function)
        pictures += [drawn] if drawn else []
    page = report.write(folder, config, found, measured, pictures)
    return f"{report.summary(found)}: see {page}"


def export(config: Config, folder: Path, repository: Path, role: str = "face_landmarker") -> Path:
    """Export a run's best epoch as the next version of a repository entry, if it passes the gate; in 8 bits, if
    held-out heads are then read as well.

    Returns:
        The new version's folder.

    Raises:
        FileNotFoundError: no run, or an entry without `config.pbtxt`.
        ValueError: the run's crop size is not the contract's.
        GateError: the graph may not be served; nothing landed.
    """
    contract = gate.read_contract(repository / role / "config.pbtxt")
    side_px = contract.inputs[0].dims[0]
    if config.train.face_px != side_px:
        raise ValueError(f"{config.name} was trained at {config.train.face_px} px, but {role} serves {side_px} px")
    model = _best(config, folder, framed=True)
    with landing(repository / role) as (aside, number):
        file, small = aside / "model.onnx", aside / "int8.onnx"
        to_onnx(model, file, contract)
        gate.admit(file, contract, of_network(model), sane, GATE_UNITS)
        precision = "float32"
        corpus = clay.read(Path(config.data.path))
        train, validation = crops.split(corpus, config.shape.held_out)
        calibrating = _served(corpus, _evenly(train, CALIBRATION_HEADS), side_px)
        quantise.to_int8(file, small, calibrating, HEAT_WEIGHTS, CLOSER_WEIGHTS)
        quantise.store_halves(small)
        gate.admit(small, contract, None, sane, GATE_UNITS)
        heads = _evenly(validation, COMPARED_HEADS)
        if _close(*(ask(landmarker(path), corpus, heads, side_px) for path in (file, small))):
            precision = "int8"
            small.replace(file)
        small.unlink(missing_ok=True)
        found, measured_on = _scores(config, landmarker(file))
        card = _card(role, number, config, found, measured_on, {file: precision})
        (aside / "card.json").write_text(json.dumps(card, indent=2) + "\n")
    return repository / role / str(number)


def _evenly(rows: NDArray[np.intp], count: int) -> NDArray[np.intp]:
    return rows[np.unique(np.linspace(0, len(rows) - 1, count).astype(int))]


def _served(corpus: clay.Corpus, rows: NDArray[np.intp], side_px: int) -> NDArray[np.uint8]:
    """The crops of these rows as they are served, RGB `[n, side, side, 3]`."""
    return np.stack([cut(corpus.image(int(row)), crops.nominal(corpus, int(row)), side_px) for row in rows])


def _close(exact: Answers, small: Answers) -> bool:
    """Whether the smaller form reads the same heads nearly as well."""
    error, moved = (float(np.mean(scores.eye_error(each.landmarks, each.true_landmarks))) for each in (exact, small))
    known, kept = (scores.mean_known(scores.correlations(each.units, each.true_units)) for each in (exact, small))
    LOG.info("8 bits: landmarks off by %.4f (%.4f in 32), units' mean r %.4f (%.4f)", moved, error, kept, known)
    return moved - error <= ERROR_GAIN and known - kept <= CORRELATION_LOSS


def sane(answers: dict[str, NDArray[np.float32]]) -> None:
    """Shares within [0, 1], landmarks within reach of the crop, squares with a side."""
    for name in ("action_units", "quality"):
        if (answers[name] < 0).any() or (answers[name] > 1).any():
            raise gate.GateError(f"some {name} are outside [0, 1]")
    if (np.abs(answers["landmarks"] - 0.5) > 1).any():
        raise gate.GateError("some landmarks lie more than half a side beyond the crop")
    if (answers["frame"][:, 2] <= 0).any():
        raise gate.GateError("some frames have no side")


def _corpora(config: Config) -> list[clay.Corpus]:
    """All that a run learns from; the first is also what 8 bits are calibrated and compared on."""
    return [clay.read(Path(path)) for path in (config.data.path, *config.shape.more)]


def _best(config: Config, folder: Path, framed: bool) -> ServedLandmarker:
    """The run's best network as it is served; `framed`: with FER+'s frame, where the configuration names FER+."""
    network = Landmarker(config.model.dropout)
    network.load_state_dict(checkpoint.load(folder / "best.pt")["weights"])
    network.eval()
    mean = mean_shape(clay.read(Path(config.data.path)))
    if not (framed and config.shape.frames):
        return served(network, default_frame_shape(mean))
    faces = ferplus.read(Path(config.shape.frames).expanduser()).train.faces
    chosen = np.unique(np.linspace(0, len(faces) - 1, FRAMED_FACES).astype(int))
    return served(network, frame_shape(network, faces[chosen], mean, config.train.face_px))


def _scores(config: Config, function: Function) -> tuple[Evaluation, str]:
    """Scores for the card, and on what: the test corpus, or the held-out identities where the run names none."""
    if config.shape.test:
        corpus = clay.read(Path(config.shape.test))
        rows, heads = crops.usable(corpus), "the test corpus: identities that were never trained on"
    else:
        corpus = clay.read(Path(config.data.path))
        rows, heads = (
            crops.split(corpus, config.shape.held_out)[1],
            "held-out identities of the training corpus; the best epoch was chosen on them, so the scores flatter",
        )
    side_px = config.train.face_px
    displaced = ask(function, corpus, rows, side_px, config.shape)
    return score(corpus, ask(function, corpus, rows, side_px), displaced), heads


def _card(
    role: str, number: int, config: Config, found: Evaluation, measured_on: str, files: dict[Path, str]
) -> dict[str, Any]:
    sides: tuple[list[str], list[str]] = ([], [])
    for corpus in _corpora(config):
        for side, rows in zip(sides, crops.split(corpus, config.shape.held_out, config.data.rows), strict=True):
            side += corpus.identity[rows].tolist()
    side_px = config.train.face_px
    frame = (
        f"the median shape that this network finds in {FRAMED_FACES} FER+ training faces"
        if config.shape.frames
        else "the default frame about the corpus' mean shape"
    )
    return {
        "name": role,
        "version": number,
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "mien_version": mien_version(),
        "method": config.model.method,
        "statements": STATEMENTS,
        "limits": LIMITS,
        "input": f"faces: uint8 RGB [n, {side_px}, {side_px}, 3], the square about a face's box, side 1.5 x "
        "√(width x height), level eyes; luma and standardisation are in the graph, so colour plays no part",
        "output": "landmarks: 68 of iBUG, in units of the crop's side; action_units: 17 in [0, 1], "
        f"{', '.join(clay.ACTION_UNITS)}; quality: share of visible landmarks x exp(-expected error / "
        f"{QUALITY_SCALE}); "
        f"frame: centre x, centre y, side, roll in degrees of the square that a classifier wants, from {frame}",
        "data": {
            "source": "rendered heads (mien clay render)",
            **{
                name: {"rows": len(side), "identities": len(set(side))}
                for name, side in zip(("training", "validation"), sides, strict=True)
            },
            "rules": "Identities are whole on one side, by a hash of their name.",
        },
        "measured_on": measured_on,
        "metrics": report.plain(found),
        "files": {file.name: {"precision": precision} | fingerprint(file) for file, precision in files.items()},
        "recipe": as_dict(config),
    }

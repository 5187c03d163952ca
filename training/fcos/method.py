"""What the command line asks of the face detector: build it, evaluate it, export it (see `training/methods.py`)."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from training import card, checkpoint, gate
from training.config import Config, as_dict, from_dict
from training.export import landing, to_onnx
from training.fcos import cutouts, finding, networks, tables, teacher
from training.fcos import evaluate as evaluation
from training.fcos.admission import admit
from training.fcos.evaluate import Finder, Score
from training.fcos.task import DetectionTask
from training.loop import Process

LIMITS = [
    "Sees light and dark only; faces from about 10 px on a canvas of 320 px; turned over by more than 25°, few.",
    "Its teacher for photographs is YuNet: what YuNet misses it was partly taught to miss.",
    "No claim is made for any age, gender, skin tone or culture: the data names none of them.",
    "Finding a face says nothing about who it is.",
]
LICENCE = (
    "Weights trained on rendered heads (ICT-FaceKit, MIT), FER2013 faces (scraped for a research challenge, not passed "
    "on) and photographs for research use, with YuNet (MIT) as a teacher. The origin is research."
)


def build(config: Config, process: Process) -> DetectionTask:
    """The task of this process."""
    pieces, held_out = cutouts.read(config.scenes, quiet=process.rank > 0)
    return DetectionTask(config, pieces, held_out, process.device, process.rank, process.world)


def evaluate(config: Config, folder: Path, model: Path | None) -> str:
    """Measure a run's best network, or an exported file, beside the cascade and the teacher; write the report."""
    if model is not None:
        if not model.exists():
            raise FileNotFoundError(f"no model at {model}: export one first (mien export CONFIG)")
        function, measured = gate.of_file(model), f"the exported file {model.name}"
    else:
        network, scores = open_network(folder)
        function, measured = of_network(networks.served(network)), f"the best epoch, {scores['epoch']:.0f}"
    results, picture = compare(config, function)
    folder.mkdir(parents=True, exist_ok=True)
    if picture is not None:
        cv2.imwrite(str(folder / "detector.png"), picture[..., ::-1])
    page = tables.write(folder, config.name, measured, results)
    ours = [f"{each.finder}, {each.album}: {_said(each)}" for each in results if each.finder.startswith("mien")]
    return f"{'; '.join(ours)}: see {page}"


def compare(config: Config, function: finding.Function) -> tuple[list[Score], NDArray[np.uint8] | None]:
    """Every finder on every album, and a sheet of the first album."""
    albums = evaluation.albums(config.scenes)
    finders: list[tuple[str, Finder, float]] = [("mien", partial(finding.find, function), finding.MIN_SCORE)]
    landmarker = Path(config.scenes.landmarker).expanduser()
    if config.scenes.landmarker and landmarker.exists():
        second = gate.of_file(landmarker)
        finders.append(("mien + landmarker", partial(_twice, function, second), finding.MIN_SCORE))
    served = finders[-1][1]
    finders.append(("cascade alt2", evaluation.cascade(), 0.5))
    if config.scenes.teacher and Path(config.scenes.teacher).expanduser().exists():
        finders.append(("YuNet", teacher.yunet(Path(config.scenes.teacher)), teacher.SURE))
    scores = [evaluation.measure(album, *finder) for album in albums for finder in finders]
    picture = evaluation.sheet(albums[0], served, finding.MIN_SCORE) if albums[0].pictures else None
    return scores, picture


def export(config: Config, folder: Path, repository: Path, role: str) -> Path:
    """Land a run's best network as the next version of `role`, if it passes the gate.

    Raises:
        FileNotFoundError: no run, or no contract. GateError: the graph may not be served.
    """
    entry = repository / role
    contract = gate.read_contract(entry / "config.pbtxt")
    network, scores = open_network(folder)
    served = networks.served(network)
    with landing(entry) as (aside, number):
        path = aside / "model.onnx"
        to_onnx(served, path, contract)
        admit(path, contract, of_network(served))
        content = _card(role, number, config, scores, folder, path)
        (aside / "card.json").write_text(json.dumps(content, indent=2) + "\n")
    return entry / str(number)


def open_network(folder: Path) -> tuple[networks.Detector, dict[str, float]]:
    """A run's best weights by validation, in evaluation mode, and what validation then said.

    Raises:
        FileNotFoundError: no run there, or no epoch of it has ended.
    """
    record = folder / "config.json"
    if not record.exists():
        raise FileNotFoundError(f"no run in {folder}: train its configuration first (mien train CONFIG)")
    from_dict(json.loads(record.read_text()))
    best = checkpoint.load(folder / "best.pt")
    network = networks.Detector()
    network.load_state_dict(best["weights"], strict=True)
    return network.eval(), best["scores"]


def of_network(served: networks.ServedDetector) -> finding.Function:
    """The torch graph as a function of canvases `[n, 320, 320, 3] uint8`, answers by name."""

    @torch.inference_mode()
    def answers(images: NDArray[np.uint8]) -> finding.Answers:
        boxes, scores, points = served(torch.from_numpy(images))
        return {"boxes": boxes.numpy(), "scores": scores.numpy(), "points": points.numpy()}

    return answers


def _twice(function: finding.Function, landmarker: finding.Function, image: NDArray[np.uint8]) -> NDArray[np.float64]:
    """What the service finds: the detector's finds, the doubtful ones looked at by the landmarker."""
    return finding.confirmed(finding.find(function, image, finding.MIN_DOUBTED_SCORE), image, landmarker)


def _said(score: Score) -> str:
    if score.recall is None:
        return f"{score.false_per_picture:.3f} false per picture"
    return f"recall {score.recall:.3f} with {score.false_per_picture:.3f} false per picture"


def _card(role: str, number: int, config: Config, scores: dict[str, float], folder: Path, path: Path) -> dict[str, Any]:
    report = folder / "detector.json"
    return {
        "name": role,
        "version": number,
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "mien_version": card.mien_version(),
        "method": config.model.method,
        "limits": LIMITS,
        "input": "images: uint8 RGB [n, 320, 320, 3], a picture or a part of it scaled to fit, at the top left, the "
        "rest 128 grey; luma (ITU-R BT.601) is taken in the graph, so colour plays no part",
        "output": "boxes: float32 [n, 200, 4] x, y, width, height; scores: float32 [n, 200] in [0, 1], falling; "
        "points: float32 [n, 200, 5, 2], right and left eye, nose tip, right and left corner of the mouth; in pixels "
        "of the canvas; the 200 surest candidates, not suppressed",
        "data": {
            "sources": {key: getattr(config.scenes, key) for key in ("corpora", "faces", "backgrounds", "teacher")},
            "licence": LICENCE,
        },
        "metrics": {
            "validation": scores,
            "photos": json.loads(report.read_text())["scores"] if report.exists() else [],
        },
        "files": {path.name: {"precision": "float32"} | card.fingerprint(path)},
        "recipe": as_dict(config),
    }

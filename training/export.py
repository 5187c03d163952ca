"""From a run's folder to a new version in the model repository.

    best.pt → served graph (temperature found on validation) → ONNX → gate → int8 and fp16 → gate and accuracy
            → <role>/<newest + 1>/{model.onnx, model.fp16.onnx, card.json}

Everything is made in a folder beside the versions and renamed at the end: a version is either whole or not there. Going
back is deleting the newest version's folder.
"""

from __future__ import annotations

import json
import logging
import shutil
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from training import calibration, gate, quantise
from training.arm import networks
from training.card import write_card
from training.data.faces import FaceTable, Split
from training.evaluate import Probabilities, as_served, evaluate, of_file, of_network, predict
from training.runs import open_run

ACCURACY_LOSS = 0.005  # a smaller form may lose this much of validation accuracy
MEAN_DISTANCE = 0.03  # and move its probabilities this far on average
GATE_UNITS = {"evidence": 10.0}  # log-odds: what a face adds up to


def export(
    folder: Path, repository: Path, split: Split, role: str = "expression_classifier", int8: bool = True
) -> Path:
    """Export a run's best network as the next version of a repository entry.

    Args:
        split: the run's data; validation gives the temperature and the scores, training faces the 8-bit scales.
        int8: try the 8-bit form as the CPU default; it is taken if it loses at most half a point of accuracy.

    Returns:
        The new version's folder.

    Raises:
        FileNotFoundError: no run, or an entry without `config.pbtxt`.
        ValueError: the run's face size is not the contract's.
        GateError: the graph may not be served; nothing landed.
    """
    contract = gate.read_contract(repository / role / "config.pbtxt")
    run = open_run(folder)
    side_px = contract.inputs[0].dims[0]
    if run.config.train.face_px != side_px:
        raise ValueError(
            f"{run.config.name} was trained at {run.config.train.face_px} px, but {role} serves {side_px} px"
        )
    labels = split.validation.labels
    temperature = _temperature(of_network(networks.served(run.network)), split, side_px)
    served = networks.served(run.network, temperature)

    with landing(repository / role) as (aside, number):
        exact, small, half = aside / "float32.onnx", aside / "int8.onnx", aside / "model.fp16.onnx"
        to_onnx(served, exact, contract)
        gate.admit(exact, contract, answers_of(served), sane, GATE_UNITS)
        best = predict(of_file(exact), split.validation, side_px)
        precision, answers = "float32", best
        quantise.to_float16(exact, half)
        gate.admit(half, contract, None, sane, GATE_UNITS)
        half_answers = predict(of_file(half), split.validation, side_px)
        if not close_enough(best, half_answers, split.validation):
            raise gate.GateError("the 16-bit form loses more than half a point of accuracy")
        if int8:
            calibrating = quantise.stratified(split.train).faces
            quantise.to_int8(exact, small, as_served(calibrating, side_px))
            gate.admit(small, contract, None, sane, GATE_UNITS)
            quantised = predict(of_file(small), split.validation, side_px)
            if close_enough(best, quantised, split.validation):
                precision, answers = "int8", quantised
        chosen = aside / "model.onnx"
        (small if precision == "int8" else exact).rename(chosen)
        for left in (exact, small):
            left.unlink(missing_ok=True)
        facts = {
            chosen: {"precision": precision, **_facts(answers, best, labels)},
            half: {"precision": "float16", **_facts(half_answers, best, labels)},
        }
        # Dividing by 1 / temperature takes the temperature out again, see `write_card`.
        evaluation = evaluate(labels, calibration.apply(answers, 1 / temperature))
        statues = None
        if split.statues is not None:
            found = predict(of_file(chosen), split.statues, side_px)
            statues = evaluate(split.statues.labels, calibration.apply(found, 1 / temperature))
        card = write_card(role, number, run.config, split, evaluation, temperature, facts, side_px, statues)
        (aside / "card.json").write_text(json.dumps(card, indent=2) + "\n")
    return repository / role / str(number)


def to_onnx(served: nn.Module, path: Path, contract: gate.Contract) -> None:
    """Write a served network with a free batch axis; batch norms end up inside the convolutions."""
    kinds = {"UINT8": torch.uint8, "FLOAT": torch.float32}
    examples = tuple(torch.zeros(2, *tensor.dims, dtype=kinds[tensor.kind]) for tensor in contract.inputs)
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)  # it advises on packages that are not needed
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        warnings.filterwarnings("ignore", "# The axis name", UserWarning)  # all inputs share their batch axis
        program = torch.onnx.export(
            served,
            examples,
            input_names=[tensor.name for tensor in contract.inputs],
            output_names=[tensor.name for tensor in contract.outputs],
            dynamic_shapes=tuple({0: "n"} for _ in examples),
            opset_version=20,
            dynamo=True,
            verbose=False,
        )
    program.save(path, external_data=False)
    quantise.strip(path)


def close_enough(best: NDArray[np.float32], other: NDArray[np.float32], table: FaceTable) -> bool:
    """Whether a smaller form's answers are as good as the exact one's, by accuracy and by mean distance."""
    lost = (best.argmax(1) == table.labels).mean() - (other.argmax(1) == table.labels).mean()
    return bool(lost <= ACCURACY_LOSS and np.abs(best - other).mean() <= MEAN_DISTANCE)


def newest(entry: Path) -> Path:
    """The newest version's `model.onnx` of a repository entry.

    Raises:
        FileNotFoundError: it has none.
    """
    number = next_version(entry) - 1 if entry.is_dir() else 0
    file = entry / str(number) / "model.onnx"
    if not file.exists():
        raise FileNotFoundError(f"no model in {entry}: export one first (mien export CONFIG)")
    return file


def next_version(entry: Path) -> int:
    """One more than the newest version there is; 1 for the first."""
    return 1 + max((int(item.name) for item in entry.iterdir() if item.is_dir() and item.name.isdigit()), default=0)


@contextmanager
def landing(entry: Path) -> Iterator[tuple[Path, int]]:
    """A folder to write the entry's next version into, and its number.

    It lies beside the versions under a name that no server reads. When the block ends it is renamed, whole, in one
    step; when it fails nothing lands and the folder is gone.

    Raises:
        OSError: another export landed the same number in the meantime.
    """
    aside, number = Path(tempfile.mkdtemp(prefix=".landing-", dir=entry)), next_version(entry)
    try:
        yield aside, number
        aside.chmod(0o755)
        aside.rename(entry / str(number))
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def answers_of(served: nn.Module) -> gate.Function:
    """A served classifier as the gate asks it."""

    @torch.inference_mode()
    def answers(faces: NDArray[np.uint8]) -> gate.Answers:
        probabilities, evidence = served(torch.from_numpy(faces))
        return {"probabilities": probabilities.numpy(), "evidence": evidence.numpy()}

    return answers


def sane(answers: gate.Answers) -> None:
    """Probabilities, and evidence that adds up to them."""
    probabilities = answers["probabilities"]
    gate.probabilities({"probabilities": probabilities})
    log_odds = answers["evidence"].sum((2, 3))
    shares = np.exp(log_odds - log_odds.max(1, keepdims=True))
    if np.abs(shares / shares.sum(1, keepdims=True) - probabilities).max() > gate.PARITY:
        raise gate.GateError("the evidence does not add up to the probabilities")


def _temperature(network: Probabilities, split: Split, side_px: int) -> float:
    """The temperature that fits the validation faces; with statues, both sets count alike."""
    tables = [split.validation] + ([split.statues] if split.statues is not None else [])
    answers = [predict(network, table, side_px) for table in tables]
    most = max(len(table) for table in tables)
    repeats = [round(most / len(table)) for table in tables]
    labels = np.concatenate([np.tile(table.labels, times) for table, times in zip(tables, repeats, strict=True)])
    return calibration.fit(labels, np.concatenate([np.tile(a, (t, 1)) for a, t in zip(answers, repeats, strict=True)]))


def _facts(answers: NDArray[np.float32], best: NDArray[np.float32], labels: NDArray[np.int64]) -> dict[str, float]:
    return {
        "accuracy": round(float((answers.argmax(1) == labels).mean()), 5),
        "mean_distance_from_float32": round(float(np.abs(answers - best).mean()), 6),
    }

"""The gate that every exported classifier passes before it may land in the model repository.

It is run on the file itself, through onnxruntime:

- contract: names, types and sizes are those of `config.pbtxt`, with a batch axis that is free;
- parity: it equals the torch network at batch 1, 3 and 8;
- batch invariance: f(cat(a, b)) = cat(f(a), f(b)), in any order and beside empty rows. A server joins the rows of
  strangers into one batch, so an answer must not depend on them (the published ARM fails here);
- sanity: finite probabilities whose rows sum to 1, for noise and for black, white and grey squares.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray

from training.evaluate import Probabilities, of_file

PARITY = 1e-4
INVARIANCE = 1e-5


class GateError(ValueError):
    """Why a graph may not be served, in one sentence."""


@dataclass(frozen=True, slots=True)
class Tensor:
    """One input or output: `dims` without the batch axis, `kind` as ONNX names it (UINT8, FLOAT)."""

    name: str
    kind: str
    dims: tuple[int, ...]

    def __str__(self) -> str:
        return f"{self.name} {self.kind} {list(self.dims)}"


@dataclass(frozen=True, slots=True)
class Contract:
    """What a `config.pbtxt` promises about its graph; `max_batch` rows at most in one call."""

    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]
    max_batch: int


def read_contract(path: Path) -> Contract:
    """Read a repository entry's `config.pbtxt` with the message type that Triton itself publishes.

    Raises:
        FileNotFoundError: no such file: an entry and its contract are written by hand, before anything is exported.
        ValueError: it is not a model configuration.
    """
    from google.protobuf import text_format
    from tritonclient.grpc import model_config_pb2

    if not path.exists():
        raise FileNotFoundError(f"no {path}: a repository entry starts with its contract, written by hand")
    try:
        config = text_format.Parse(path.read_text(), model_config_pb2.ModelConfig())
    except text_format.ParseError as error:
        raise ValueError(f"{path} is not a Triton model configuration: {error}") from None

    def tensors(items: list) -> tuple[Tensor, ...]:  # type: ignore[type-arg]
        names = model_config_pb2.DataType.Name
        kinds = [names(item.data_type).removeprefix("TYPE_") for item in items]
        kinds = [{"FP32": "FLOAT", "FP16": "FLOAT16"}.get(kind, kind) for kind in kinds]
        return tuple(Tensor(item.name, kind, tuple(item.dims)) for item, kind in zip(items, kinds, strict=True))

    return Contract(tensors(config.input), tensors(config.output), config.max_batch_size)


def admit(path: Path, contract: Contract, reference: Probabilities | None) -> None:
    """Let a classifier's file pass, or raise.

    Args:
        reference: the torch network that the file must equal; None for a quantised or half-precision file, whose
            distance is judged by its accuracy instead.

    Raises:
        GateError: the first thing found wrong.
    """
    check_contract(path, contract)
    model = of_file(path, threads=1)
    faces = _faces(contract)
    if reference is not None:
        check_parity(model, reference, faces)
    check_sanity(model, faces)
    check_invariance(model, faces, contract.max_batch)


def check_contract(path: Path, contract: Contract) -> None:
    """The graph's inputs and outputs are exactly those of the contract."""
    graph = onnx.load(path).graph
    for side, values, wanted in (("inputs", graph.input, contract.inputs), ("outputs", graph.output, contract.outputs)):
        found = []
        for value in values:
            kind, dims = value.type.tensor_type.elem_type, value.type.tensor_type.shape.dim
            if not dims or dims[0].HasField("dim_value"):
                raise GateError(f"{path.name}: the batch axis of {value.name} is fixed, so rows cannot be joined")
            sizes = tuple(dim.dim_value for dim in dims[1:])
            found.append(Tensor(value.name, onnx.TensorProto.DataType.Name(kind), sizes))
        if sorted(found, key=str) != sorted(wanted, key=str):
            listed = "; ".join(map(str, found)), "; ".join(map(str, wanted))
            raise GateError(f"{path.name}: its {side} are {listed[0]}, but config.pbtxt promises {listed[1]}")


def check_parity(model: Probabilities, reference: Probabilities, faces: NDArray[np.uint8]) -> None:
    """The file and the torch network answer the same, within `PARITY` of probability."""
    for batch in (1, 3, 8):
        distance = float(np.abs(model(faces[:batch]) - reference(faces[:batch])).max())
        if not distance <= PARITY:
            raise GateError(
                f"the file and the trained network differ by {distance:.2g} in probability at batch {batch}"
            )


def check_invariance(model: Probabilities, faces: NDArray[np.uint8], max_batch: int) -> None:
    """Each row's answer is the same alone, beside others, in another order, and beside empty rows."""
    rows = min(8, len(faces), max_batch)
    faces = faces[:rows]
    alone = np.concatenate([model(face[None]) for face in faces])
    order = np.random.default_rng(0).permutation(rows)
    padded = np.concatenate([faces[: (rows + 1) // 2], np.zeros_like(faces[: rows // 2])])
    for how, found, wanted in (
        ("beside other rows", model(faces), alone),
        ("in another order", model(faces[order]), alone[order]),
        ("beside empty rows", model(padded)[: (rows + 1) // 2], alone[: (rows + 1) // 2]),
    ):
        distance = float(np.abs(found - wanted).max())
        if not distance <= INVARIANCE or (found.argmax(1) != wanted.argmax(1)).any():
            raise GateError(f"a row's answer {how} differs by {distance:.2g} from its answer alone")


def check_sanity(model: Probabilities, faces: NDArray[np.uint8]) -> None:
    """Finite, none below 0, each row summing to 1."""
    found = model(faces)
    if not np.isfinite(found).all() or (found < 0).any():
        raise GateError("some answers are not finite probabilities")
    if not np.allclose(found.sum(1), 1, atol=1e-4):
        raise GateError(f"probabilities of a row sum to {found.sum(1)[np.abs(found.sum(1) - 1).argmax()]:.4f}, not 1")


def _faces(contract: Contract) -> NDArray[np.uint8]:
    """Twelve rows of the contract's size: smooth shapes, noise, and black, white and grey squares."""
    height, width, channels = contract.inputs[0].dims
    random = np.random.default_rng(0)
    noise = random.integers(0, 256, (4, height, width, channels), np.uint8)
    y, x = np.mgrid[0:height, 0:width] / max(height, width)
    waves = [128 + 110 * np.sin(6.28 * (a * x + b * y)) * np.cos(9 * x * y + a) for a, b in random.normal(0, 2, (4, 2))]
    smooth = np.repeat(np.stack(waves)[..., None], channels, 3).astype(np.uint8)
    flat = [np.full((height, width, channels), level, np.uint8) for level in (0, 255, 128, 1)]
    return np.concatenate([smooth, noise[:2], np.stack(flat), noise[2:]])

"""The gate that every exported model passes before it may land in the model repository.

It is run on the file itself, through onnxruntime:

- contract: names, types and sizes are those of `config.pbtxt`, with a batch axis that is free;
- parity: it equals the torch network at batch 1, 3 and 8;
- batch invariance: f(cat(a, b)) = cat(f(a), f(b)), in any order and beside empty rows. A server joins the rows of
  strangers into one batch, so an answer must not depend on them (the published ARM fails here);
- sanity: finite answers that can be what they stand for (probabilities sum to 1), for noise and for black, white and
  grey squares.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray

Answers = dict[str, NDArray[np.float32]]  # by the output's name, one row per face or picture
Rows = Sequence[NDArray]  # type: ignore[type-arg] # an array for each input of the contract, in its order
Function = Callable[..., Answers]  # of `Rows`, one argument for each input

PARITY = 1e-4  # of an output's unit
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


def admit(
    path: Path,
    contract: Contract,
    reference: Callable[..., Answers | NDArray[np.float32]] | None,
    sane: Callable[[Answers], None] | None = None,
    units: Mapping[str, float] | None = None,
) -> None:
    """Let a model's file pass, or raise.

    Args:
        reference: the torch network that the file must equal, its answers by name (or bare, if there is but one
            output); None for a quantised or half-precision file, whose distance is judged by its accuracy instead.
        sane: raises `GateError` for answers that cannot be; default: each row must be probabilities.
        units: what counts as 1 in an output: 1 for probabilities and shares (the default), 320 for pixels of a canvas.

    Raises:
        GateError: the first thing found wrong.
    """
    check_contract(path, contract)
    model = of_file(path)
    rows = probes(contract)
    units = {tensor.name: (units or {}).get(tensor.name, 1.0) for tensor in contract.outputs}
    if reference is not None:

        def named(*batch: NDArray) -> Answers:  # type: ignore[type-arg]
            found = reference(*batch)
            return found if isinstance(found, dict) else {contract.outputs[0].name: found}

        check_parity(model, named, rows, units)
    check_sanity(model, rows, sane or probabilities)
    check_invariance(model, rows, contract.max_batch, units)


def of_file(path: Path) -> Function:
    """An exported file as a function of its inputs, in the graph's order, on one core."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    names, outputs = ([item.name for item in items] for items in (session.get_inputs(), session.get_outputs()))

    def answers(*rows: NDArray) -> Answers:  # type: ignore[type-arg]
        return dict(zip(outputs, session.run(None, dict(zip(names, rows, strict=True))), strict=True))

    return answers


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


def check_parity(model: Function, reference: Function, rows: Rows, units: Mapping[str, float]) -> None:
    """The file and the torch network answer the same, within `PARITY` of each output's unit."""
    for batch in (1, 3, 8):
        some = [column[:batch] for column in rows]
        found, wanted = model(*some), reference(*some)
        for name, unit in units.items():
            distance = _farthest(found[name], wanted[name]) / unit
            if not distance <= PARITY:
                raise GateError(f"the file and the trained network differ by {distance:.2g} in {name} at batch {batch}")


def check_invariance(model: Function, rows: Rows, max_batch: int, units: Mapping[str, float]) -> None:
    """Each row's answer is the same alone, beside others, in another order, and beside empty rows."""
    count = min(8, len(rows[0]), max_batch)
    rows = [column[:count] for column in rows]
    each = [model(*(column[at : at + 1] for column in rows)) for at in range(count)]
    alone = {name: np.concatenate([answer[name] for answer in each]) for name in units}
    order = np.random.default_rng(0).permutation(count)
    half = (count + 1) // 2
    padded = [np.concatenate([column[:half], np.zeros_like(column[: count // 2])]) for column in rows]
    for how, found, chosen in (
        ("beside other rows", model(*rows), np.arange(count)),
        ("in another order", model(*(column[order] for column in rows)), order),
        ("beside empty rows", model(*padded), np.arange(half)),
    ):
        for name, unit in units.items():
            distance = _farthest(found[name][: len(chosen)], alone[name][chosen]) / unit
            if not distance <= INVARIANCE:
                raise GateError(f"a row's {name} {how} differ by {distance:.2g} from its answer alone")


def check_sanity(model: Function, rows: Rows, sane: Callable[[Answers], None]) -> None:
    """Finite numbers, and whatever else `sane` asks."""
    found = model(*rows)
    for name, values in found.items():
        if not np.isfinite(values).all():
            raise GateError(f"some answers are not finite: {name}")
    sane(found)


def probabilities(answers: Answers) -> None:
    """None below 0, each row summing to 1."""
    for name, found in answers.items():
        if (found < 0).any():
            raise GateError(f"some {name} are below 0")
        if not np.allclose(found.sum(1), 1, atol=1e-4):
            raise GateError(f"{name} of a row sum to {found.sum(1)[np.abs(found.sum(1) - 1).argmax()]:.4f}, not 1")


def probes(contract: Contract) -> Rows:
    """Twelve rows for each input: `images` for the first, numbers in [-1, 1] for any other; one row is 0."""
    random = np.random.default_rng(1)
    faces = images(contract)
    others = [random.uniform(-1, 1, (len(faces), *tensor.dims)).astype(np.float32) for tensor in contract.inputs[1:]]
    for numbers in others:
        numbers[1] = 0
    return [faces, *others]


def images(contract: Contract) -> NDArray[np.uint8]:
    """Twelve rows of the contract's size: smooth shapes, noise, and black, white and grey squares."""
    height, width, channels = contract.inputs[0].dims
    random = np.random.default_rng(0)
    noise = random.integers(0, 256, (4, height, width, channels), np.uint8)
    y, x = np.mgrid[0:height, 0:width] / max(height, width)
    waves = [128 + 110 * np.sin(6.28 * (a * x + b * y)) * np.cos(9 * x * y + a) for a, b in random.normal(0, 2, (4, 2))]
    smooth = np.repeat(np.stack(waves)[..., None], channels, 3).astype(np.uint8)
    flat = [np.full((height, width, channels), level, np.uint8) for level in (0, 255, 128, 1)]
    return np.concatenate([smooth, noise[:2], np.stack(flat), noise[2:]])


def _farthest(first: NDArray, second: NDArray) -> float:  # type: ignore[type-arg]
    """The largest difference; bytes are not subtracted as bytes, which would wrap around."""
    return float(np.abs(first.astype(np.float64) - second).max())

"""Smaller and faster forms of an exported classifier or landmarker: 8-bit integers for CPUs, 16-bit floats for GPUs.

Only the trunk, from the first convolution to the last, is converted: luma, the standardisation of the face, the last
layer and the softmax are a thousandth of the work and stay float32. The landmarker's trunk ends before its heat maps;
its closer look at a face's parts is converted too.

int8 is static: scales are found once, on training faces, so that an answer depends on nothing but its own row. Weights
are signed, per output channel, in 7 bits (`reduce_range`), activations unsigned in 8. Processors without VNNI add two
8-bit products in 16 bits and saturate; 7-bit weights cannot, so the answers do not depend on the processor. Measured on
FER+ with ResNet-18: min-max scales and 7 bits lose no accuracy at four times the speed, so nothing finer is wanted;
signed activations would run as slowly as float32.
"""

from __future__ import annotations

import logging
import tempfile
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper, numpy_helper
from onnxruntime.quantization import CalibrationDataReader, CalibrationMethod, QuantFormat, QuantType, quantize_static
from onnxruntime.quantization.shape_inference import quant_pre_process

from training.data.faces import FaceTable

CALIBRATION_FACES = 504


def stratified(table: FaceTable, count: int = CALIBRATION_FACES, seed: int = 0) -> FaceTable:
    """About `count` faces, as even over the expressions as the table allows."""
    order = np.random.default_rng(seed).permutation(len(table))
    labels = table.labels[order]
    classes = np.unique(labels)
    chosen = [order[labels == label][: -(-count // len(classes))] for label in classes]
    return table.take(np.sort(np.concatenate(chosen)))


def to_int8(source: Path, target: Path, faces: NDArray[np.uint8], before: str = "", beside: str = "") -> None:
    """Write the 8-bit form of the float32 file `source`, calibrated (min-max) on `faces` `[n, side, side, 3]`, as they
    are served.

    Args:
        before: the weights of the first convolution that is not of the trunk ('' = it has all).
        beside: how the names of further convolutions' weights begin that get 8 bits too ('' = none).
    """
    with tempfile.TemporaryDirectory() as folder:
        prepared = Path(folder) / "prepared.onnx"
        with _quiet():
            quant_pre_process(str(source), str(prepared), skip_symbolic_shape=True)
            graph = onnx.load(prepared).graph
            trunk = [node.name for node in (_before(graph, before) if before else _trunk(graph))]
            trunk += [node.name for node in (_blocks(graph, beside) if beside else [])]
            quantize_static(
                str(prepared),
                str(target),
                _Faces(faces, graph.input[0].name),
                quant_format=QuantFormat.QDQ,
                per_channel=True,
                reduce_range=True,
                activation_type=QuantType.QUInt8,
                weight_type=QuantType.QInt8,
                calibrate_method=CalibrationMethod.MinMax,
                nodes_to_quantize=trunk,
            )
    strip(target)


def to_float16(source: Path, target: Path) -> None:
    """Write the half-precision form of the float32 file `source`; its inputs and outputs keep their types.

    onnxruntime's own converter casts to 16 bits and back between the layers that should stay in 32, which rounds the
    luma; the trunk's ways in and out need just a cast each.
    """
    model = onnx.load(source)
    graph = model.graph
    trunk = _trunk(graph)
    weights = {item.name: item for item in graph.initializer}
    made = {name for node in trunk for name in node.output}
    entered = {name for node in trunk for name in node.input if name and name not in made and name not in weights}
    left = {name for node in graph.node if node not in trunk for name in node.input if name in made}
    # a Resize's scales stay as they are
    for name in {name for node in trunk if node.op_type != "Resize" for name in node.input} & set(weights):
        if weights[name].data_type != onnx.TensorProto.FLOAT:
            continue
        weights[name].CopyFrom(numpy_helper.from_array(numpy_helper.to_array(weights[name]).astype(np.float16), name))
    renamed = {name: f"{name}_half" for name in entered | left}
    for node in trunk:
        for names in (node.input, node.output):
            names[:] = [renamed.get(name, name) for name in names]
    ways_in = [_cast(name, renamed[name], onnx.TensorProto.FLOAT16) for name in sorted(entered)]
    ways_out = [_cast(renamed[name], name, onnx.TensorProto.FLOAT) for name in sorted(left)]
    first = list(graph.node).index(trunk[0])
    before, after = ([node for node in part if node not in trunk] for part in (graph.node[:first], graph.node[first:]))
    nodes = [*before, *ways_in, *trunk, *ways_out, *after]
    del graph.node[:], graph.value_info[:]
    graph.node.extend(nodes)
    onnx.save(model, target)
    strip(target)


def store_halves(path: Path, at_least: int = 10_000) -> None:
    """Store weights of so many numbers in 16 bits; they are made 32 again when the file is loaded, so that it is
    smaller and no slower."""
    model = onnx.load(path)
    graph = model.graph
    for item in graph.initializer:
        if item.data_type != onnx.TensorProto.FLOAT or np.prod(item.dims) < at_least:
            continue
        item.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(item).astype(np.float16), item.name))
        whole = f"{item.name}_whole"
        for node in graph.node:
            node.input[:] = [whole if name == item.name else name for name in node.input]
        graph.node.insert(0, _cast(item.name, whole, onnx.TensorProto.FLOAT))
    onnx.save(model, path)


def strip(path: Path) -> None:
    """Remove what tools note about the machine and the source lines that a graph came from."""
    model = onnx.load(path)
    graph = model.graph
    for item in (model, graph, *graph.node, *graph.input, *graph.output, *graph.value_info, *graph.initializer):
        del item.metadata_props[:]
        item.doc_string = ""
    onnx.save(model, path)


def _trunk(graph: onnx.GraphProto) -> list[onnx.NodeProto]:
    """The nodes that some rectifier's output is made of, from the first convolution on, in the graph's order; what
    follows the last rectifier is a head."""
    first = [node.op_type for node in graph.node].index("Conv")
    rectified = [node.output[0] for node in graph.node if node.op_type == "Relu"]
    wanted = _made_of(graph, rectified)
    return [node for node in list(graph.node)[first:] if node.output[0] in wanted]


def _before(graph: onnx.GraphProto, weights: str) -> list[onnx.NodeProto]:
    """The nodes between the first convolution and the one with these weights: what its input was made of."""
    end = next(node for node in graph.node if weights in node.input)
    wanted = _made_of(graph, [end.input[0]])
    return [node for node in _trunk(graph) if node.output[0] in wanted]


def _blocks(graph: onnx.GraphProto, prefix: str) -> list[onnx.NodeProto]:
    """The convolutions whose weights' names begin so, and the sums and rectifiers of nothing but these."""
    found: list[onnx.NodeProto] = []
    made: set[str] = set()
    for node in graph.node:
        convolution = node.op_type == "Conv" and node.input[1].startswith(prefix)
        if convolution or (node.op_type in ("Add", "Relu") and set(node.input) <= made):
            found.append(node)
            made.add(node.output[0])
    return found


def _made_of(graph: onnx.GraphProto, values: list[str]) -> set[str]:
    """These values' names, and all that they are made of."""
    made = {name: node for node in graph.node for name in node.output}
    wanted: set[str] = set()
    waiting = list(values)
    while waiting:
        node = made.get(waiting.pop())
        if node is not None and node.output[0] not in wanted:
            wanted.add(node.output[0])
            waiting += node.input
    return wanted


def _cast(source: str, target: str, kind: int) -> onnx.NodeProto:
    return helper.make_node("Cast", [source], [target], name=f"cast_{target}", to=kind)


class _Faces(CalibrationDataReader):
    """Calibration rows `[n, side, side, 3] uint8`, eight at a time."""

    def __init__(self, faces: NDArray[np.uint8], name: str) -> None:
        self.batches = iter([{name: faces[at : at + 8]} for at in range(0, len(faces), 8)])

    def get_next(self) -> dict[str, NDArray[np.uint8]] | None:
        return next(self.batches, None)


class _quiet:  # noqa: N801
    """The tools log advice to the root logger that does not concern whoever exports."""

    def __enter__(self) -> None:
        self.level = logging.root.manager.disable
        logging.disable(logging.WARNING)

    def __exit__(self, *_: object) -> None:
        logging.disable(self.level)

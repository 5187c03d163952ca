"""Writes model repositories with tiny models: the real contract of `expression_classifier`, none of its weight.

The toy reads a face's mean colour: each mean in [0, 1] times a fixed projection, softmax. Deterministic, and to the
last bit independent of the batch. Faults make it slow, fail on some faces, or make its entry one that must be refused.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from services.domain import EXPRESSIONS, FACE_PX, RGB

Fault = Literal[
    "slow",  # a fifth of a second per batch, a third of it on a quick machine
    "fails on white",  # a face whose first pixel is 255 red makes its whole batch fail
    "no version",
    "no model file",
    "no labels",
    "six labels",
    "damaged graph",
    "damaged card",
    "damaged config",
    "another name",
    "no batching",
    "unknown version",
    "warm-up too large",
    "fixed batch axis",
    "another size",
    "another dtype",
    "another input",
]
FAULTS: tuple[Fault, ...] = get_args(Fault)

PROJECTION: NDArray[np.float32] = np.random.default_rng(7).normal(0, 4, (3, len(EXPRESSIONS))).astype(np.float32)

_CONFIG = """
name: "{name}"
backend: "onnxruntime"
max_batch_size: {max_batch_size}
input [ {{ name: "faces", data_type: TYPE_UINT8, dims: [ {side}, {side}, 3 ] }} ]
output [ {{ name: "probabilities", data_type: TYPE_FP32, dims: [ 7 ], label_filename: "labels.txt" }} ]
dynamic_batching {{
  max_queue_delay_microseconds: {max_queue_delay_us}
  default_queue_policy {{
    max_queue_size: {max_queue_size} timeout_action: REJECT
    default_timeout_microseconds: 600000000 allow_timeout_override: true
  }}
  priority_levels: 2
  default_priority_level: 1
  priority_queue_policy {{
    key: 2
    value {{ timeout_action: REJECT default_timeout_microseconds: 600000000 allow_timeout_override: true }}
  }}
}}
instance_group [ {{ count: {instances}, kind: KIND_CPU }} ]
parameters {{ key: "intra_op_thread_count" value: {{ string_value: "1" }} }}
parameters {{ key: "inter_op_thread_count" value: {{ string_value: "1" }} }}
version_policy {{ {policy} }}
model_warmup [ {{
  name: "warm-up", batch_size: {warmup},
  inputs {{ key: "faces" value {{ data_type: TYPE_UINT8 dims: [ {side}, {side}, 3 ] zero_data: true }} }}
}} ]
"""


def write_classifier(
    repository: Path,
    name: str = "expression_classifier",
    version: int = 1,
    fault: Fault | None = None,
    *,
    max_batch_size: int = 8,
    max_queue_delay_us: int = 0,
    max_queue_size: int = 256,
    instances: int = 2,
) -> Path:
    """Write (or add a version to) an entry that maps `faces` `[n, 112, 112, 3] uint8` to `probabilities` `[n, 7]`.

    Returns the entry's folder, `repository/name`.
    """
    entry = repository / name
    folder = entry / str(version)
    entry.mkdir(parents=True, exist_ok=True)
    config = _CONFIG.format(
        name="another" if fault == "another name" else name,
        max_batch_size=0 if fault == "no batching" else max_batch_size,
        side=96 if fault == "another size" else FACE_PX,
        max_queue_delay_us=max_queue_delay_us,
        max_queue_size=max_queue_size,
        instances=instances,
        policy="specific { versions: [ 99 ] }" if fault == "unknown version" else "latest { num_versions: 1 }",
        warmup=99 if fault == "warm-up too large" else 1,
    )
    (entry / "config.pbtxt").write_text("input [ oops" if fault == "damaged config" else config)
    if fault != "no labels":
        labels = EXPRESSIONS[:6] if fault == "six labels" else EXPRESSIONS
        (entry / "labels.txt").write_text("\n".join(labels) + "\n")
    if fault == "no version":
        return entry
    folder.mkdir(exist_ok=True)
    card = json.dumps({"name": name, "version": version, "about": "A toy for tests: reads the mean colour."})
    (folder / "card.json").write_text(card[:-5] if fault == "damaged card" else card)
    if fault != "no model file":
        graph = _graph(fault).SerializeToString()
        (folder / "model.onnx").write_bytes(graph[:-50] if fault == "damaged graph" else graph)
    return entry


def toy_probabilities(faces: RGB) -> NDArray[np.float64]:
    """What the toy answers for `[n, 112, 112, 3] uint8`, to about 1e-4, as `[n, 7]`."""
    logits = faces.mean((1, 2)) / 255 @ PROJECTION
    powers = np.exp(logits - logits.max(1, keepdims=True))
    result: NDArray[np.float64] = powers / powers.sum(1, keepdims=True)
    return result


def toy_faces(count: int, seed: int = 0) -> RGB:
    """`[count, 112, 112, 3] uint8`, each of its own colour, none with a 255."""
    random = np.random.default_rng(seed)
    faces = np.empty((count, FACE_PX, FACE_PX, 3), np.uint8)
    faces[:] = random.integers(0, 255, (count, 1, 1, 3))
    faces[:, ::2] //= 2
    return faces


def _graph(fault: Fault | None) -> onnx.ModelProto:
    constants: dict[str, Any] = {  # whatever numpy makes an array of
        "scale": np.float32(1 / 255),
        "projection": PROJECTION,
        "axes": np.array([1, 2], np.int64),
        "channels": np.array([1], np.int64),
        "column": np.array([2], np.int64),
    }
    # a sum of products, not a MatMul: onnxruntime rounds the product of one row unlike that of several
    nodes = [
        helper.make_node("Cast", ["faces"], ["pixels"], to=TensorProto.FLOAT),
        helper.make_node("ReduceMean", ["pixels", "axes"], ["mean"], keepdims=0),
        helper.make_node("Mul", ["mean", "scale"], ["colour"]),
        helper.make_node("Unsqueeze", ["colour", "column"], ["colour_column"]),
        helper.make_node("Mul", ["colour_column", "projection"], ["products"]),
        helper.make_node("ReduceSum", ["products", "channels"], ["logits"], keepdims=0),
        helper.make_node("Softmax", ["logits"], ["softmax"], axis=1),
    ]
    last = "softmax"
    if fault == "slow":
        constants |= {"turns": np.int64(60), "go_on": np.bool_(True), "matrix": np.full((384, 384), 0.001, np.float32)}
        nodes += [helper.make_node("Loop", ["turns", "go_on", "matrix"], ["spent"], body=_turn())]
        constants |= {"nothing": np.float32(0), "all": np.array([0, 1], np.int64)}
        nodes += [
            helper.make_node("ReduceMean", ["spent", "all"], ["spent_mean"], keepdims=0),
            helper.make_node("Mul", ["spent_mean", "nothing"], ["zero"]),
            helper.make_node("Add", [last, "zero"], ["slowly"]),
        ]
        last = "slowly"
    if fault == "fails on white":
        constants |= {"table": np.zeros(255, np.float32)}
        constants |= {
            "from": np.zeros(4, np.int64),
            "to": np.array([2**31, 1, 1, 1], np.int64),
            "flat": np.array([-1, 1]),
        }
        nodes += [
            helper.make_node("Slice", ["faces", "from", "to"], ["corner"]),
            helper.make_node("Cast", ["corner"], ["red"], to=TensorProto.INT64),
            helper.make_node("Gather", ["table", "red"], ["looked_up"]),  # an index of 255 is out of its bounds
            helper.make_node("Reshape", ["looked_up", "flat"], ["zero"]),
            helper.make_node("Add", [last, "zero"], ["unless_white"]),
        ]
        last = "unless_white"
    nodes.append(helper.make_node("Identity", [last], ["probabilities"]))

    rows = 1 if fault == "fixed batch axis" else "n"
    faces = "images" if fault == "another input" else "faces"
    if fault == "another input":
        nodes[0].input[0] = faces
    dtype = TensorProto.INT8 if fault == "another dtype" else TensorProto.UINT8
    graph = helper.make_graph(
        nodes,
        "toy",
        [helper.make_tensor_value_info(faces, dtype, [rows, FACE_PX, FACE_PX, 3])],
        [helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, [rows, len(EXPRESSIONS)])],
        [numpy_helper.from_array(np.asarray(value), key) for key, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    onnx.checker.check_model(model, full_check=True)
    return model


def _turn() -> onnx.GraphProto:
    """One turn of the slow toy's loop: a matrix product that is thrown away."""
    square = [384, 384]
    value = helper.make_tensor_value_info
    return helper.make_graph(
        [
            helper.make_node("MatMul", ["given", "matrix"], ["taken"]),
            helper.make_node("Identity", ["go"], ["go_out"]),
        ],
        "turn",
        [
            value("i", TensorProto.INT64, []),
            value("go", TensorProto.BOOL, []),
            value("given", TensorProto.FLOAT, square),
        ],
        [value("go_out", TensorProto.BOOL, []), value("taken", TensorProto.FLOAT, square)],
    )

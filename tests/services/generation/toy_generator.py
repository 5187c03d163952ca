"""A tiny `expression_generator` entry with the real contract: it lightens the middle of a face by 100 times AU12.

Its mask is a centred square of half the side, 1 wherever any action unit changes. A row's answer depends on that row
alone.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from services.domain import ACTION_UNITS, RGB, SQUARE_PX

AU12 = ACTION_UNITS.index("AU12")
MIDDLE = slice(SQUARE_PX // 4, 3 * SQUARE_PX // 4)

_CONFIG = """
name: "{name}"
backend: "onnxruntime"
max_batch_size: 8
input [
  {{ name: "faces", data_type: TYPE_UINT8, dims: [ 128, 128, 3 ] }},
  {{ name: "change", data_type: TYPE_FP32, dims: [ {units} ] }}
]
output [
  {{ name: "rendered", data_type: TYPE_UINT8, dims: [ 128, 128, 3 ] }},
  {{ name: "mask", data_type: TYPE_FP32, dims: [ 128, 128 ] }}
]
dynamic_batching {{
  max_queue_delay_microseconds: {delay_us}
  default_queue_policy {{ max_queue_size: 256 timeout_action: REJECT }}
}}
instance_group [ {{ count: 1, kind: KIND_CPU }} ]
parameters {{ key: "intra_op_thread_count" value: {{ string_value: "1" }} }}
"""


def write_generator(
    repository: Path, name: str = "expression_generator", *, units: int = len(ACTION_UNITS), delay_us: int = 0
) -> Path:
    """Write the entry; with another number of action units it breaks the contract."""
    folder = repository / name / "1"
    folder.mkdir(parents=True)
    (repository / name / "config.pbtxt").write_text(_CONFIG.format(name=name, units=units, delay_us=delay_us))
    (folder / "model.onnx").write_bytes(_model(units).SerializeToString())
    return repository / name


def toy_rendered(faces: RGB, change: NDArray[np.float32]) -> RGB:
    """What the toy answers as `rendered`, to 1: `[n, 128, 128, 3] uint8`."""
    lighter = faces.astype(float)
    lighter[:, MIDDLE, MIDDLE] += 100 * change[:, AU12, None, None, None]
    return np.rint(lighter.clip(0, 255)).astype(np.uint8)


def _model(units: int) -> onnx.ModelProto:
    middle = np.zeros((1, SQUARE_PX, SQUARE_PX, 1), np.float32)
    middle[:, MIDDLE, MIDDLE] = 1
    constants = {
        "middle": middle,
        "mask_middle": middle[..., 0],
        "smile": np.array([AU12], np.int64),
        "hundred": np.float32(100),
        "low": np.float32(0),
        "high": np.float32(255),
        "each": np.array([1], np.int64),
        "to_picture": np.array([-1, 1, 1, 1], np.int64),
        "to_mask": np.array([-1, 1, 1], np.int64),
    }
    node = helper.make_node
    nodes = [
        node("Cast", ["faces"], ["pixels"], to=TensorProto.FLOAT),
        node("Gather", ["change", "smile"], ["smiles"], axis=1),
        node("Reshape", ["smiles", "to_picture"], ["shaped"]),
        node("Mul", ["shaped", "hundred"], ["lighter"]),
        node("Mul", ["lighter", "middle"], ["added"]),
        node("Add", ["pixels", "added"], ["sum"]),
        node("Clip", ["sum", "low", "high"], ["clipped"]),
        node("Round", ["clipped"], ["rounded"]),
        node("Cast", ["rounded"], ["rendered"], to=TensorProto.UINT8),
        node("Abs", ["change"], ["size"]),
        node("ReduceMax", ["size", "each"], ["largest"], keepdims=1),
        node("Greater", ["largest", "low"], ["changes"]),
        node("Cast", ["changes"], ["some"], to=TensorProto.FLOAT),
        node("Reshape", ["some", "to_mask"], ["some_shaped"]),
        node("Mul", ["some_shaped", "mask_middle"], ["mask"]),
    ]
    value = helper.make_tensor_value_info
    square = ["n", SQUARE_PX, SQUARE_PX]
    graph = helper.make_graph(
        nodes,
        "toy",
        [value("faces", TensorProto.UINT8, [*square, 3]), value("change", TensorProto.FLOAT, ["n", units])],
        [value("rendered", TensorProto.UINT8, [*square, 3]), value("mask", TensorProto.FLOAT, square)],
        [numpy_helper.from_array(np.asarray(constant), key) for key, constant in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    onnx.checker.check_model(model, full_check=True)
    return model

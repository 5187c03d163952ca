"""Tiny `face_detector` and `face_landmarker` entries with the real contracts, for tests that need to know the answer.

To the toy detector the bright red, the bright green and the bright blue part of a canvas are a face each: the box is
the part's bounding box, the score the share of the box that is bright, and the points stand at fixed places in it.
The toy landmarker answers with the middle of all that is bright. Both look at one row at a time, to the last bit.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from services.domain import ACTION_UNITS

POINTS = np.array([[0.3, 0.4], [0.7, 0.4], [0.5, 0.6], [0.35, 0.8], [0.65, 0.8]], np.float32)  # shares of the box
SHAPE = np.stack([np.linspace(-0.2, 0.2, 68), np.cos(np.arange(68)) / 5], 1).astype(np.float32)  # around the middle
UNITS = (np.arange(len(ACTION_UNITS), dtype=np.float32) / 16).round(3)
FRAME_SIDE, FRAME_ROLL_DEG = np.float32(0.5), np.float32(10.0)

_BRIGHT = 200
_CONFIG = """
name: "{name}"
backend: "onnxruntime"
max_batch_size: {max_batch_size}
input [ {{ name: "{input}", data_type: TYPE_UINT8, dims: [ {side}, {side}, 3 ] }} ]
output [ {outputs} ]
dynamic_batching {{
  max_queue_delay_microseconds: {delay_us}
  default_queue_policy {{ max_queue_size: 256 timeout_action: REJECT }}
}}
instance_group [ {{ count: 2, kind: KIND_CPU }} ]
parameters {{ key: "intra_op_thread_count" value: {{ string_value: "1" }} }}
parameters {{ key: "inter_op_thread_count" value: {{ string_value: "1" }} }}
model_warmup [ {{
  name: "one", batch_size: 1,
  inputs {{ key: "{input}" value {{ data_type: TYPE_UINT8 dims: [ {side}, {side}, 3 ] zero_data: true }} }}
}} ]
"""


def write_detector(repository: Path, *, candidates: int = 200, max_batch_size: int = 16, delay_us: int = 0) -> Path:
    """Write the entry `face_detector`; with another number of candidates it breaks the contract."""
    outputs = {"boxes": (candidates, 4), "scores": (candidates,), "points": (candidates, 5, 2)}
    return _write(repository, "face_detector", "images", 320, outputs, _detector(candidates), max_batch_size, delay_us)


def write_landmarker(repository: Path, *, max_batch_size: int = 32, delay_us: int = 0) -> Path:
    """Write the entry `face_landmarker`. Of a face in bright green it says that it cannot be trusted."""
    outputs = {"landmarks": (68, 2), "action_units": (17,), "quality": (1,), "frame": (4,)}
    return _write(repository, "face_landmarker", "faces", 112, outputs, _landmarker(), max_batch_size, delay_us)


def _detector(candidates: int) -> _Graph:
    graph = _Graph(320, "images")
    masks = graph.bright()
    bright = graph.to_float(masks)  # [n, 320, 320, 3]
    count = graph("ReduceSum", bright, graph.axes(1, 2), keepdims=0)  # [n, 3]
    sides = []
    for other in (1, 2):  # x, then y
        line = graph("ReduceMax", bright, graph.axes(other), keepdims=0)  # [n, 320, 3]
        spots = graph.constant(np.arange(320, dtype=np.float32)[None, :, None])
        far = graph("Mul", graph("Sub", graph.constant(np.float32(1)), line), graph.constant(np.float32(999)))
        first = graph("ReduceMin", graph("Add", spots, far), graph.axes(1), keepdims=0)
        beyond = graph("Add", graph("Mul", spots, line), line)  # 1 + the place of what is bright, else 0
        sides.append((first, graph("ReduceMax", beyond, graph.axes(1), keepdims=0)))
    (left, _), (top, _) = sides
    size = [graph("Max", graph("Sub", end, start), graph.constant(np.float32(0))) for start, end in sides]
    columns = [graph("Unsqueeze", each, graph.axes(2)) for each in (left, top, *size)]
    boxes = graph("Concat", *columns, axis=2)  # [n, 3, 4]
    area = graph("Max", graph("Mul", *size), graph.constant(np.float32(1)))
    scores = graph("Div", count, area)
    low = graph("Unsqueeze", graph("Concat", *columns[:2], axis=2), graph.axes(2))  # [n, 3, 1, 2]
    extent = graph("Unsqueeze", graph("Concat", *columns[2:], axis=2), graph.axes(2))
    points = graph("Add", low, graph("Mul", extent, graph.constant(POINTS[None, None])))
    for name, value, rank in (("boxes", boxes, 3), ("scores", scores, 2), ("points", points, 4)):
        pads = np.zeros(2 * rank, np.int64)
        pads[rank + 1] = candidates - 3
        graph("Pad", value, graph.constant(pads), name=name)
    return graph


def _landmarker() -> _Graph:
    graph = _Graph(112, "faces")
    colours = graph.to_float(graph.bright())  # [n, 112, 112, 3]
    bright = graph("ReduceMax", colours, graph.axes(3), keepdims=0)
    count = graph("Max", graph("ReduceSum", bright, graph.axes(1, 2), keepdims=0), graph.constant(np.float32(1)))
    spots = (np.arange(112, dtype=np.float32) + 0.5) / 112
    middle = []
    for line in (spots[None, None, :], spots[None, :, None]):
        total = graph("ReduceSum", graph("Mul", bright, graph.constant(line)), graph.axes(1, 2), keepdims=0)
        middle.append(graph("Unsqueeze", graph("Div", total, count), graph.axes(1)))
    centre = graph("Concat", *middle, axis=1)  # [n, 2]
    graph("Add", graph("Unsqueeze", centre, graph.axes(1)), graph.constant(SHAPE[None]), name="landmarks")
    nothing = graph("Mul", centre, graph.constant(np.float32(0)))  # [n, 2] of zeros
    zero = graph("ReduceSum", nothing, graph.axes(1), keepdims=1)  # [n, 1]
    graph("Add", zero, graph.constant(UNITS[None]), name="action_units")
    green = graph("Gather", colours, graph.constant(np.array([1], np.int64)), axis=3)
    share = graph("ReduceMax", green, graph.axes(1, 2, 3), keepdims=0)
    quality = graph("Sub", graph.constant(np.float32(1)), graph("Unsqueeze", share, graph.axes(1)))
    graph("Identity", quality, name="quality")
    rest = graph("Add", nothing, graph.constant(np.array([[FRAME_SIDE, FRAME_ROLL_DEG]], np.float32)))
    graph("Concat", centre, rest, axis=1, name="frame")
    return graph


class _Graph:
    """Nodes and constants, named as they come."""

    def __init__(self, side: int, input_name: str) -> None:
        self.side, self.input = side, input_name
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []

    def __call__(self, operator: str, *inputs: str, name: str = "", **attributes: Any) -> str:
        name = name or f"v{len(self.nodes)}"
        self.nodes.append(helper.make_node(operator, list(inputs), [name], **attributes))
        return name

    def constant(self, value: Any) -> str:
        name = f"c{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.asarray(value), name))
        return name

    def axes(self, *axes: int) -> str:
        return self.constant(np.array(axes, np.int64))

    def to_float(self, value: str) -> str:
        return self("Cast", value, to=TensorProto.FLOAT)

    def bright(self) -> str:
        """Where a channel is bright and is the only one, `[n, side, side, 3] bool`."""
        pixels = self.to_float(self.input)
        total = self("ReduceSum", pixels, self.axes(3), keepdims=1)
        alone = self("Less", self("Sub", total, pixels), self.constant(np.float32(_BRIGHT)))
        return self("And", self("Greater", pixels, self.constant(np.float32(_BRIGHT))), alone)

    def model(self, outputs: dict[str, tuple[int, ...]]) -> onnx.ModelProto:
        value = helper.make_tensor_value_info
        graph = helper.make_graph(
            self.nodes,
            "toy",
            [value(self.input, TensorProto.UINT8, ["n", self.side, self.side, 3])],
            [value(name, TensorProto.FLOAT, ["n", *dims]) for name, dims in outputs.items()],
            self.constants,
        )
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
        onnx.checker.check_model(model, full_check=True)
        return model


def _write(
    repository: Path,
    name: str,
    input_name: str,
    side: int,
    outputs: dict[str, tuple[int, ...]],
    graph: _Graph,
    max_batch_size: int,
    delay_us: int,
) -> Path:
    folder = repository / name / "1"
    folder.mkdir(parents=True)
    described = ", ".join(
        f'{{ name: "{key}", data_type: TYPE_FP32, dims: {list(dims)} }}' for key, dims in outputs.items()
    )
    config = _CONFIG.format(
        name=name, input=input_name, side=side, outputs=described, max_batch_size=max_batch_size, delay_us=delay_us
    )
    (repository / name / "config.pbtxt").write_text(config)
    (folder / "model.onnx").write_bytes(graph.model(outputs).SerializeToString())
    return repository / name


def painted(width: int, height: int, *squares: tuple[str, int, int, int], ground: int = 60) -> NDArray[np.uint8]:
    """A dark picture with bright squares: (red, green or blue; left, top, side in pixels)."""
    picture = np.full((height, width, 3), ground, np.uint8)
    for colour, left, top, side in squares:
        channel = ("red", "green", "blue").index(colour)
        picture[top : top + side, left : left + side] = 0
        picture[top : top + side, left : left + side, channel] = 255
    return picture

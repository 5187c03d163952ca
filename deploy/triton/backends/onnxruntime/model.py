"""A Triton backend named `onnxruntime`, in Python: it obeys the config.pbtxt that Triton's native one obeys.

For servers that bring the Python backend only (nvidia-pytriton); NVIDIA's image has the native one and needs none of
this. Triton batches, queues and warms up; an instance here is a process with a session of its own. A batch that fails
is tried request by request, so that a bad one fails alone.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import triton_python_backend_utils as pb_utils

_EXECUTION = {"0": onnxruntime.ExecutionMode.ORT_SEQUENTIAL, "1": onnxruntime.ExecutionMode.ORT_PARALLEL}
_GRAPH_LEVEL = {  # Triton's numbers: 2 turns optimization off
    "-1": onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC,
    "1": onnxruntime.GraphOptimizationLevel.ORT_ENABLE_EXTENDED,
    "2": onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL,
}
_ELEMENTS = {"float": "float32", "double": "float64", "bool": "bool"}  # onnxruntime's words that are not numpy's


class TritonPythonModel:
    """One instance of a model; Triton calls `initialize` once, then `execute` for each batch."""

    def initialize(self, args: dict[str, str]) -> None:
        """Load the version's file and compare it with its config.

        Raises:
            TritonModelException: it cannot be served so; the sentence says why.
        """
        config = json.loads(args["model_config"])
        path = _file(args, config)
        providers = _providers(args["model_instance_kind"], args.get("model_instance_device_id", "0"))
        try:
            self._session = onnxruntime.InferenceSession(path, _options(config), providers=providers)
        except Exception as error:
            raise _refusal(
                config, f"onnxruntime cannot load {path.name}: {str(error).partition(os.linesep)[0]}"
            ) from error
        for told, nodes in (
            (config["input"], self._session.get_inputs()),
            (config["output"], self._session.get_outputs()),
        ):
            _compare(config, path.name, told, {node.name: node for node in nodes})
        self._inputs = [one["name"] for one in config["input"]]
        self._outputs = [one["name"] for one in config["output"]]

    def execute(self, requests: list[Any]) -> list[Any]:
        """An answer for each request, in order: their rows are run together, once."""
        answers: dict[int, Any] = {}
        wanted = []
        for place, request in enumerate(requests):
            if request.is_cancelled():
                answers[place] = _failure("the caller left", pb_utils.TritonError.CANCELLED)
            else:
                wanted.append((place, {name: _array(request, name) for name in self._inputs}))
        try:
            answers |= self._run(wanted)
        except Exception:
            for one in wanted:
                try:
                    answers |= self._run([one])
                except Exception as error:
                    answers[one[0]] = _failure(f"the model failed: {error}", pb_utils.TritonError.INTERNAL)
        return [answers[place] for place in range(len(requests))]

    def _run(self, wanted: list[tuple[int, dict[str, Any]]]) -> dict[int, Any]:
        if not wanted:
            return {}
        rows = [len(arrays[self._inputs[0]]) for _, arrays in wanted]
        parts = [arrays for _, arrays in wanted]
        joined = (
            parts[0] if len(parts) == 1 else {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
        )
        outputs = self._session.run(self._outputs, joined)
        if any(len(output) != sum(rows) for output in outputs):
            raise ValueError(f"{sum(rows)} rows in, another number out")
        edges = np.cumsum([0, *rows])
        return {
            place: pb_utils.InferenceResponse(
                [
                    pb_utils.Tensor(name, np.ascontiguousarray(output[edges[at] : edges[at + 1]]))
                    for name, output in zip(self._outputs, outputs, strict=True)
                ]
            )
            for at, (place, _) in enumerate(wanted)
        }


def _file(args: dict[str, str], config: dict[str, Any]) -> Path:
    folder = Path(args["model_repository"], args["model_version"])
    path = folder / (config.get("default_model_filename") or "model.onnx")
    if not path.is_file():
        raise _refusal(config, f"version {args['model_version']} has no {path.name}")
    return path


def _options(config: dict[str, Any]) -> Any:
    told = {key: value["string_value"] for key, value in config.get("parameters", {}).items()}
    level = str(config.get("optimization", {}).get("graph", {}).get("level", 0))
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = int(told.get("intra_op_thread_count", "0"))
    options.inter_op_num_threads = int(told.get("inter_op_thread_count", "0"))
    options.execution_mode = _EXECUTION[told.get("execution_mode", "0")]
    options.graph_optimization_level = _GRAPH_LEVEL.get(level, onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL)
    # waiting threads that spin take the cores from the other instances
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.add_session_config_entry("session.inter_op.allow_spinning", "0")
    # a memory pattern per batch size would hold a block for each
    options.enable_mem_pattern = False
    return options


def _providers(kind: str, device: str) -> list[Any]:
    if kind != "GPU":
        return ["CPUExecutionProvider"]
    if "CUDAExecutionProvider" not in onnxruntime.get_available_providers():
        raise pb_utils.TritonModelException("KIND_GPU needs onnxruntime-gpu in Triton's environment")
    return [("CUDAExecutionProvider", {"device_id": device}), "CPUExecutionProvider"]


def _compare(config: dict[str, Any], file: str, told: list[dict[str, Any]], nodes: dict[str, Any]) -> None:
    """Refuse a graph that is not what config.pbtxt says."""
    for one in told:
        node = nodes.get(one["name"])
        if node is None:
            raise _refusal(config, f"config.pbtxt has {one['name']!r}, {file} has {sorted(nodes)}")
        element = node.type.removeprefix("tensor(").removesuffix(")")
        dtype = np.dtype(pb_utils.triton_string_to_numpy(one["data_type"])).name
        sizes, dims = list(node.shape[1:]), [int(dim) for dim in one["dims"]]
        same = len(sizes) == len(dims) and all(
            dim == size or not isinstance(size, int) for dim, size in zip(dims, sizes, strict=True)
        )
        if not same or _ELEMENTS.get(element, element) != dtype:
            raise _refusal(config, f"config.pbtxt says {one['name']} {dims} {dtype}, {file} has {sizes} {element}")


def _array(request: Any, name: str) -> Any:
    return pb_utils.get_input_tensor_by_name(request, name).as_numpy()


def _refusal(config: dict[str, Any], why: str) -> Exception:
    exception: Exception = pb_utils.TritonModelException(f"{config['name']}: {why}")
    return exception


def _failure(why: str, code: Any) -> Any:
    return pb_utils.InferenceResponse(error=pb_utils.TritonError(why, code))

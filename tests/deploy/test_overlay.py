"""The GPU overlay: how configs are merged, and that the committed ones fit the committed repository."""

from __future__ import annotations

from pathlib import Path

import pytest
from google.protobuf import text_format
from tritonclient.grpc import model_config_pb2 as pb

from deploy.triton.overlay import assemble, merge
from services.inference.repository import read_repository

GPU = Path(__file__).resolve().parents[2] / "deploy" / "triton" / "gpu"

BASE = """
name: "toy" max_batch_size: 8
instance_group [ { count: 2, kind: KIND_CPU } ]
dynamic_batching { max_queue_delay_microseconds: 0 default_queue_policy { max_queue_size: 7 } }
parameters { key: "a" value { string_value: "1" } }
parameters { key: "b" value { string_value: "2" } }
"""


def merged(change: str) -> pb.ModelConfig:
    config = text_format.Parse(BASE, pb.ModelConfig())
    merge(config, text_format.Parse(change, pb.ModelConfig()))
    return config


def test_a_list_is_replaced_as_a_whole() -> None:
    config = merged("instance_group [ { count: 1, kind: KIND_GPU } ]")
    assert [(group.count, group.kind) for group in config.instance_group] == [(1, pb.ModelInstanceGroup.KIND_GPU)]
    assert config.max_batch_size == 8


def test_a_message_is_merged_field_by_field_and_a_parameter_by_its_key() -> None:
    config = merged(
        'dynamic_batching { max_queue_delay_microseconds: 500 } parameters { key: "b" value { string_value: "3" } }'
    )
    assert config.dynamic_batching.max_queue_delay_microseconds == 500
    assert config.dynamic_batching.default_queue_policy.max_queue_size == 7
    assert {key: value.string_value for key, value in config.parameters.items()} == {"a": "1", "b": "3"}


def test_the_gpu_overlay_fits_every_committed_entry(real_repository: Path, tmp_path: Path) -> None:
    before, after = read_repository(real_repository), read_repository(assemble(real_repository, GPU, tmp_path / "gpu"))
    assert {path.stem for path in GPU.glob("*.pbtxt")} == before.keys() == after.keys()
    for name, spec in after.items():
        assert (spec.inputs, spec.outputs, spec.labels) == (
            before[name].inputs,
            before[name].outputs,
            before[name].labels,
        )
        assert spec.batching.max_queue_size == before[name].batching.max_queue_size
        assert not spec.cpu_only
        best = spec.path.parent / "model.fp16.onnx"
        assert spec.path.name == (best.name if best.is_file() else "model.onnx")
        config = text_format.Parse((tmp_path / "gpu" / name / "config.pbtxt").read_text(), pb.ModelConfig())
        accelerator, cuda = config.optimization.execution_accelerators.gpu_execution_accelerator
        assert (accelerator.name, cuda.name) == ("tensorrt", "cuda")
        assert ("precision_mode" in accelerator.parameters) == best.is_file(), (
            "half precision needs a file that passed the gate"
        )
        for limit, rows in (("min", 1), ("opt", 8), ("max", spec.batching.max_batch_size)):
            shapes = ",".join(f"{one.name}:{'x'.join(map(str, (rows, *one.dims)))}" for one in spec.inputs)
            assert accelerator.parameters[f"trt_profile_{limit}_shapes"] == shapes


def test_a_file_that_no_version_has_is_refused(toy_repository: Path, tmp_path: Path) -> None:
    (tmp_path / "expression_classifier.pbtxt").write_text('default_model_filename: "model.fp16.onnx"')
    with pytest.raises(OSError, match=r"wants model\.fp16\.onnx, which version 1 does not have"):
        assemble(toy_repository, tmp_path, tmp_path / "made")

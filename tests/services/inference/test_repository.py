"""What a model repository says, and the entries that are refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from services.domain import EXPRESSIONS, ModelVersion
from services.errors import Kind, MienError
from services.inference.backend import Batching, ModelSpec, Tensor
from services.inference.repository import RepositoryError, read_repository
from tests.services.inference.toy_repository import Fault, toy_faces, write_classifier


def test_an_entry_is_what_its_config_says(tmp_path: Path) -> None:
    entry = write_classifier(tmp_path, max_batch_size=16, max_queue_delay_us=2500, max_queue_size=9, instances=3)
    spec = read_repository(tmp_path)["expression_classifier"]
    assert spec.model == ModelVersion("expression_classifier", 1)
    assert spec.path == entry / "1" / "model.onnx"
    assert spec.inputs == (Tensor("faces", np.dtype(np.uint8), (112, 112, 3)),)
    assert spec.outputs == (Tensor("probabilities", np.dtype(np.float32), (7,)),)
    assert spec.batching == Batching(16, 0.0025, 9, 3)
    assert spec.labels == EXPRESSIONS
    assert (spec.intra_op_threads, spec.inter_op_threads, spec.cpu_only) == (1, 1, True)
    assert spec.warmup_batch_sizes == (1,)
    assert spec.card["version"] == 1


def test_what_a_config_leaves_out_has_tritons_defaults(tmp_path: Path) -> None:
    entry = write_classifier(tmp_path)
    (entry / "config.pbtxt").write_text(
        'max_batch_size: 4 input { name: "faces" data_type: TYPE_UINT8 dims: [ 112, 112, 3 ] }'
        'output { name: "probabilities" data_type: TYPE_FP32 dims: [ 7 ] }'
    )
    spec = read_repository(tmp_path)["expression_classifier"]
    assert spec.batching == Batching(4, 0.0, 0, 1)
    assert (spec.intra_op_threads, spec.inter_op_threads, spec.cpu_only) == (0, 0, False)
    assert (spec.labels, spec.warmup_batch_sizes) == ((), ())


def test_the_committed_entries_can_be_read(real_repository: Path) -> None:
    for spec in read_repository(real_repository).values():
        assert spec.warmup_batch_sizes
        assert spec.batching.max_queue_size > 0, "an unbounded queue"
        assert spec.card, "a model without its card"


def test_the_newest_version_is_served_by_number_not_by_spelling(tmp_path: Path) -> None:
    for version in (9, 10, 2):
        write_classifier(tmp_path, version=version)
    (tmp_path / "expression_classifier" / "011").mkdir()  # as to Triton, no version
    (tmp_path / "expression_classifier" / ".12.partial").mkdir()
    spec = read_repository(tmp_path)["expression_classifier"]
    assert (spec.versions, spec.version, spec.card["version"]) == ((10,), 10, 10)


@pytest.mark.parametrize(
    ("policy", "versions"),
    [
        ("all {}", (1, 2, 3)),
        ("latest { num_versions: 2 }", (2, 3)),
        ("latest {}", (3,)),
        ("specific { versions: [ 2, 1 ] }", (1, 2)),
    ],
)
def test_the_version_policy_decides(tmp_path: Path, policy: str, versions: tuple[int, ...]) -> None:
    for version in (1, 2, 3):
        entry = write_classifier(tmp_path, version=version)
    config = (entry / "config.pbtxt").read_text()
    (entry / "config.pbtxt").write_text(config.replace("latest { num_versions: 1 }", policy))
    assert read_repository(tmp_path)["expression_classifier"].versions == versions


def test_another_file_of_the_version_can_be_chosen(tmp_path: Path) -> None:
    entry = write_classifier(tmp_path)
    (entry / "1" / "model.onnx").rename(entry / "1" / "model.fp16.onnx")
    with (entry / "config.pbtxt").open("a") as config:
        config.write('default_model_filename: "model.fp16.onnx"')
    assert read_repository(tmp_path)["expression_classifier"].path.name == "model.fp16.onnx"


def test_an_entry_without_a_version_is_skipped_and_logged(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    write_classifier(tmp_path, fault="no version")
    write_classifier(tmp_path, name="expression_classifier_small")
    (tmp_path / "README.md").touch()
    (tmp_path / ".git").mkdir()
    assert list(read_repository(tmp_path)) == ["expression_classifier_small"]
    assert caplog.messages == ["model expression_classifier has no version folder: not served"]


def refusal(repository: Path) -> str:
    with pytest.raises(RepositoryError) as caught:
        read_repository(repository)
    text = str(caught.value)
    assert "\n" not in text
    return text


def test_a_repository_that_is_not_there_is_refused(tmp_path: Path) -> None:
    assert "no model repository at" in refusal(tmp_path / "nowhere")


@pytest.mark.parametrize(
    ("fault", "sentence"),
    [
        ("no model file", "has no 1/model.onnx"),
        ("no labels", "has no labels.txt"),
        ("six labels", "6 labels for the 7 columns"),
        ("damaged card", "card.json is not JSON"),
        ("damaged config", "config.pbtxt cannot be read"),
        ("another name", "must be the folder's name"),
        ("no batching", "max_batch_size of at least 1"),
        ("unknown version", "serves versions [99]; there are [1]"),
        ("warm-up too large", "more rows than its max_batch_size"),
    ],
)
def test_a_wrong_entry_is_refused_in_one_sentence(tmp_path: Path, fault: Fault, sentence: str) -> None:
    write_classifier(tmp_path, fault=fault)
    assert sentence in refusal(tmp_path)


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        ("TYPE_UINT8", "TYPE_STRING", "TYPE_STRING, which is not served"),
        ('string_value: "1"', 'string_value: "two"', "must be a whole number, not 'two'"),
        ("TYPE_UINT8", "TYPE_UINT9", "cannot be read"),
        ("instance_group", "instance_groups", "cannot be read"),
    ],
)
def test_a_wrong_field_is_named(tmp_path: Path, old: str, new: str, sentence: str) -> None:
    entry = write_classifier(tmp_path)
    (entry / "config.pbtxt").write_text((entry / "config.pbtxt").read_text().replace(old, new, 1))
    assert sentence in refusal(tmp_path)


def test_an_entry_without_its_config_is_refused(tmp_path: Path) -> None:
    (write_classifier(tmp_path) / "config.pbtxt").unlink()
    assert "expression_classifier has no config.pbtxt" in refusal(tmp_path)


SPEC = ModelSpec(
    "toy",
    (1,),
    Path("model.onnx"),
    inputs=(Tensor("faces", np.dtype(np.uint8), (112, 112, 3)), Tensor("target", np.dtype(np.float32), (-1,))),
    outputs=(),
)
FACES, TARGET = toy_faces(2), np.zeros((2, 17), np.float32)


@pytest.mark.parametrize(
    ("inputs", "field", "words"),
    [
        ({"faces": FACES}, "", "takes faces [n, 112, 112, 3] uint8, target [n, any] float32"),
        ({"faces": FACES, "target": TARGET, "more": TARGET}, "", "takes faces"),
        ({"faces": FACES[:, :96], "target": TARGET}, "faces", "takes faces [n, 112, 112, 3] uint8"),
        ({"faces": FACES[0], "target": TARGET}, "faces", "takes faces"),
        ({"faces": FACES.astype(np.float32), "target": TARGET}, "faces", "takes faces"),
        ({"faces": FACES, "target": np.float32(1)}, "target", "takes target"),
        ({"faces": FACES, "target": TARGET[:1]}, "", "as many of each"),
        ({"faces": FACES[:0], "target": TARGET[:0]}, "", "at least one row"),
    ],
)
def test_inputs_that_the_model_does_not_take_are_refused(inputs: dict[str, object], field: str, words: str) -> None:
    SPEC.check({"faces": FACES, "target": TARGET})
    with pytest.raises(MienError) as caught:
        SPEC.check({name: np.asarray(value) for name, value in inputs.items()})
    assert (caught.value.kind, caught.value.field) == (Kind.BAD_PARAMETER, field)
    assert words in caught.value.detail

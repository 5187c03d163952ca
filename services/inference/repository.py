"""Reads a model repository: `<name>/config.pbtxt`, labels, `<name>/<version>/` with the model file and its card.json.

config.pbtxt is parsed as Triton's own message, so both backends obey one file; fields that this stack has no use for
are left to Triton. An entry without a version folder is skipped, since an operator may have only some of the models.
All else that is wrong is refused in one sentence, for the operator's console.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from google.protobuf import text_format
from tritonclient.grpc import model_config_pb2 as pb  # type: ignore[import-untyped, unused-ignore]

from services.inference.backend import Batching, ModelSpec, Tensor

log = logging.getLogger(__name__)

_DTYPES: dict[int, np.dtype[Any]] = {
    pb.TYPE_BOOL: np.dtype(np.bool_),
    **{
        getattr(pb, f"TYPE_{kind}{bits}"): np.dtype(f"{kind.lower()}{bits}")
        for kind in ("INT", "UINT")
        for bits in (8, 16, 32, 64)
    },
    **{getattr(pb, f"TYPE_FP{bits}"): np.dtype(f"float{bits}") for bits in (16, 32, 64)},
}


class RepositoryError(Exception):
    """The model repository cannot be served as it is; the text says which entry, and what is wrong."""


def read_repository(repository: Path) -> dict[str, ModelSpec]:
    """Every entry that has a version folder, by name.

    Raises:
        RepositoryError: no such folder, or an entry is wrong.
    """
    if not repository.is_dir():
        raise RepositoryError(f"There is no model repository at {repository}.")
    specs = {}
    for entry in sorted(path for path in repository.iterdir() if path.is_dir() and not path.name.startswith(".")):
        versions = _version_folders(entry)
        if versions:
            specs[entry.name] = _read_entry(entry, versions)
        else:
            log.warning("model %s has no version folder: not served", entry.name)
    return specs


def read_version(repository: Path, name: str, version: int) -> ModelSpec:
    """One version of an entry, whatever its version policy says.

    Raises:
        RepositoryError: there is no such version, or the entry is wrong.
    """
    present = versions_on_disk(repository, name)
    if version not in present:
        there = f"there are {', '.join(map(str, present))}" if present else "there is none"
        raise RepositoryError(f"{name} has no version {version} on disk; {there}.")
    return _read_entry(repository / name, [version], every=True)


def versions_on_disk(repository: Path, name: str) -> tuple[int, ...]:
    """The version folders of an entry, ascending; none where there is no such entry."""
    entry = repository / name
    return tuple(_version_folders(entry)) if entry.is_dir() else ()


def has_version(repository: Path, name: str) -> bool:
    """Whether the repository has an entry of this name that would be served; nothing else is asked of it."""
    return bool(versions_on_disk(repository, name))


def _version_folders(entry: Path) -> list[int]:
    # as Triton: a leading zero or anything but digits is no version
    names = (path.name for path in entry.iterdir() if path.is_dir())
    return sorted(int(name) for name in names if name.isascii() and name.isdigit() and not name.startswith("0"))


def _read_entry(entry: Path, present: list[int], *, every: bool = False) -> ModelSpec:
    try:
        config = text_format.Parse(_text(entry / "config.pbtxt"), pb.ModelConfig())
    except text_format.ParseError as error:
        raise RepositoryError(f"{entry.name}/config.pbtxt cannot be read: {error}.") from error
    if config.name not in ("", entry.name):
        raise RepositoryError(
            f"{entry.name}/config.pbtxt names its model {config.name!r}; it must be the folder's name."
        )
    if config.max_batch_size < 1:
        raise RepositoryError(f"{entry.name}/config.pbtxt needs a max_batch_size of at least 1.")

    versions = tuple(present) if every else _served(entry, config.version_policy, present)
    folder = entry / str(versions[-1])
    path = folder / (config.default_model_filename or "model.onnx")
    if not path.is_file():
        raise RepositoryError(f"{entry.name} has no {path.relative_to(entry)}.")
    warmups = tuple(max(1, sample.batch_size) for sample in config.model_warmup)
    if max(warmups, default=0) > config.max_batch_size:
        raise RepositoryError(f"{entry.name}/config.pbtxt warms up with more rows than its max_batch_size.")

    policy = config.dynamic_batching.default_queue_policy
    return ModelSpec(
        name=entry.name,
        versions=versions,
        path=path,
        inputs=_tensors(entry, config.input),
        outputs=_tensors(entry, config.output),
        batching=Batching(
            max_batch_size=config.max_batch_size,
            max_queue_delay_s=config.dynamic_batching.max_queue_delay_microseconds / 1e6,
            max_queue_size=policy.max_queue_size,
            instances=sum(max(1, group.count) for group in config.instance_group) or 1,
        ),
        labels=_labels(entry, config.output),
        intra_op_threads=_whole_number(entry, config, "intra_op_thread_count"),
        inter_op_threads=_whole_number(entry, config, "inter_op_thread_count"),
        cpu_only=any(group.kind == pb.ModelInstanceGroup.KIND_CPU for group in config.instance_group),
        warmup_batch_sizes=warmups,
        card=_card(entry, folder / "card.json"),
    )


def _served(entry: Path, policy: Any, present: list[int]) -> tuple[int, ...]:
    match policy.WhichOneof("policy_choice"):
        case "all":
            return tuple(present)
        case "specific":
            chosen = tuple(sorted(policy.specific.versions))
            if not chosen or not set(chosen) <= set(present):
                raise RepositoryError(f"{entry.name}/config.pbtxt serves versions {list(chosen)}; there are {present}.")
            return chosen
        case _:
            return tuple(present[-max(1, policy.latest.num_versions) :])


def _tensors(entry: Path, described: Iterable[Any]) -> tuple[Tensor, ...]:
    tensors = []
    for one in described:
        if one.data_type not in _DTYPES:
            kind = pb.DataType.Name(one.data_type)
            raise RepositoryError(f"{entry.name}/config.pbtxt gives {one.name!r} the type {kind}, which is not served.")
        tensors.append(Tensor(one.name, _DTYPES[one.data_type], tuple(one.dims)))
    if not tensors:
        raise RepositoryError(f"{entry.name}/config.pbtxt must describe at least one input and one output.")
    return tuple(tensors)


def _labels(entry: Path, outputs: Iterable[Any]) -> tuple[str, ...]:
    for output in outputs:
        if output.label_filename:
            labels = tuple(_text(entry / output.label_filename).split("\n"))
            labels = tuple(label.strip() for label in labels if label.strip())
            if len(labels) != output.dims[-1]:
                raise RepositoryError(
                    f"{entry.name}/{output.label_filename} has {len(labels)} labels for the {output.dims[-1]} "
                    f"columns of {output.name!r}."
                )
            return labels
    return ()


def _whole_number(entry: Path, config: Any, parameter: str) -> int:
    text = config.parameters[parameter].string_value if parameter in config.parameters else "0"
    if not (text.isascii() and text.isdigit()):
        raise RepositoryError(f"{entry.name}/config.pbtxt: {parameter} must be a whole number, not {text!r}.")
    return int(text)


def _card(entry: Path, path: Path) -> dict[str, object]:
    try:
        card = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    except ValueError as error:
        raise RepositoryError(f"{entry.name}/{path.relative_to(entry)} is not JSON: {error}.") from error
    if not isinstance(card, dict):
        raise RepositoryError(f"{entry.name}/{path.relative_to(entry)} must hold a JSON object.")
    return card


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise RepositoryError(f"{path.parent.name} has no {path.name}.") from None
    except ValueError as error:
        raise RepositoryError(f"{path.parent.name}/{path.name} is not UTF-8 text.") from error

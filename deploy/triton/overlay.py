"""Changes a model repository's configs for other hardware without copying it: `serve.py --overlay gpu`.

An overlay is a folder of `<entry>.pbtxt`, each with the fields that differ. What it sets replaces what the entry's
config.pbtxt says: a message field by field, a parameter by its key, a list as a whole. The result is a folder of links
to the repository with merged configs; entries that the overlay does not name are linked as they are.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from google.protobuf import text_format
from tritonclient.grpc import model_config_pb2 as pb


def assemble(repository: Path, overlay: Path, to: Path) -> Path:
    """Make `to` anew: the repository as the overlay changes it.

    Raises:
        OSError: a file cannot be read, is no config, or names a file that no version has; the sentence says which.
    """
    shutil.rmtree(to, ignore_errors=True)
    for entry in sorted(path for path in repository.iterdir() if (path / "config.pbtxt").is_file()):
        made = to / entry.name
        made.mkdir(parents=True)
        for path in entry.iterdir():
            if path.name != "config.pbtxt":
                (made / path.name).symlink_to(path.resolve())
        config, change = _read(entry / "config.pbtxt"), overlay / f"{entry.name}.pbtxt"
        if change.is_file():
            merge(config, _read(change))
            _check(config, entry)
        (made / "config.pbtxt").write_text(text_format.MessageToString(config), encoding="utf-8")
    return to


def merge(config: Any, change: Any) -> None:
    """Put what `change` sets into `config`: a message field by field, a map by key, a list as a whole."""
    for field, value in change.ListFields():
        if field.message_type and field.message_type.GetOptions().map_entry:
            here = getattr(config, field.name)
            for key in value:
                if field.message_type.fields_by_name["value"].message_type:
                    here[key].CopyFrom(value[key])
                else:
                    here[key] = value[key]
        elif isinstance(value, (str, bytes, int, float)):
            setattr(config, field.name, value)
        elif hasattr(value, "ListFields"):
            merge(getattr(config, field.name), value)
        else:
            config.ClearField(field.name)
            getattr(config, field.name).extend(value)


def _read(path: Path) -> Any:
    try:
        return text_format.Parse(path.read_text(encoding="utf-8"), pb.ModelConfig())
    except text_format.ParseError as error:
        raise OSError(f"{path.parent.name}/{path.name} cannot be read: {error}") from error


def _check(config: Any, entry: Path) -> None:
    name = config.default_model_filename or "model.onnx"
    versions = sorted((path for path in entry.iterdir() if path.name.isdigit()), key=lambda path: int(path.name))
    if versions and not (versions[-1] / name).is_file():
        raise OSError(f"the overlay of {entry.name} wants {name}, which version {versions[-1].name} does not have")

"""What a service expects of an entry of the model repository: its name, and the tensors that it must have.

`check` refuses an entry that cannot play its role when the process starts, so that no caller meets it.
"""

from __future__ import annotations

from dataclasses import dataclass

from services.inference.backend import Backend, Tensor
from services.inference.repository import RepositoryError


@dataclass(frozen=True, slots=True)
class Role:
    """A repository entry by this name takes `inputs`, in this order, and gives at least `outputs`."""

    name: str
    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]


def check(backend: Backend, role: Role, entry: str = "") -> None:
    """Refuse an entry that cannot play its role.

    Args:
        entry: its name, where it is not the role's own.

    Raises:
        RepositoryError: the sentence says which tensor it must have.
    """
    name = entry or role.name
    spec = backend.specs().get(name)
    if spec is None:
        raise RepositoryError(f"The model repository has no {name} with a version folder.")
    if spec.inputs != role.inputs:
        count = "one input" if len(role.inputs) == 1 else f"{len(role.inputs)} inputs"
        raise RepositoryError(f"{name}/config.pbtxt must have {count}, {' and '.join(map(str, role.inputs))}.")
    for output in role.outputs:
        if output not in spec.outputs:
            raise RepositoryError(f"{name}/config.pbtxt must have the output {output}.")

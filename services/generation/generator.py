"""Expression generation over an inference backend. Satisfies `domain.Generator`.

The model takes a face `[128, 128, 3] uint8` and the change of its 17 action units in [-1, 1], and answers with the face
repainted and a mask of where (see model_repository/README.md). All faces and frames of a request go to the backend
together, which cuts them into batches and fills those up with other callers' rows.
"""

from __future__ import annotations

import time

import numpy as np
from numpy.typing import NDArray

from services import calls
from services.domain import ACTION_UNITS, MOST_ROWS, RGB, SQUARE_PX, Generation, Model, ModelVersion, Target, Timings
from services.errors import NO_GENERATOR, NO_SUCH_MODEL, Kind, MienError
from services.generation.expressions import wanted
from services.inference.backend import Backend, ModelSpec, Tensor
from services.inference.roles import Role, check

EXPRESSION_GENERATOR = Role(
    "expression_generator",
    (
        Tensor("faces", np.dtype(np.uint8), (SQUARE_PX, SQUARE_PX, 3)),
        Tensor("change", np.dtype(np.float32), (len(ACTION_UNITS),)),
    ),
    (
        Tensor("rendered", np.dtype(np.uint8), (SQUARE_PX, SQUARE_PX, 3)),
        Tensor("mask", np.dtype(np.float32), (SQUARE_PX, SQUARE_PX)),
    ),
)


class ExpressionGenerator:
    """Serves the repository entries whose names begin with the role; the one by the role's own name is the default."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend

    async def generate(
        self,
        crops: RGB,
        present: NDArray[np.float32],
        target: Target,
        *,
        intensity: float = 1.0,
        steps: int = 1,
        model: str = "",
    ) -> Generation:
        """See `Generator.generate`."""
        started = time.perf_counter()
        spec = self._spec(model)
        _check(crops, present)
        if len(crops) * max(1, steps) > MOST_ROWS:
            raise MienError(
                Kind.BAD_PARAMETER, f"A request may have at most {MOST_ROWS} faces times steps.", field="steps"
            )
        units = wanted(present, target, intensity, steps)
        change = np.clip(units - present, -1, 1).reshape(-1, units.shape[-1])
        faces = np.tile(crops, (steps, 1, 1, 1))
        answer = await self._backend.infer(
            spec.name, {"faces": faces, "change": change}, deadline_s=calls.remaining_s()
        )
        mask = answer.outputs["mask"]
        if not np.isfinite(mask).all():
            raise MienError(Kind.UNAVAILABLE, "The model gave no valid answer. Tell whoever runs this service.")
        calls.note(model=f"{spec.name}/{answer.version}", rows=len(faces))
        return Generation(
            answer.outputs["rendered"].reshape(steps, *crops.shape),
            np.rint(mask.clip(0, 1) * 255).astype(np.uint8).reshape(steps, *crops.shape[:3]),
            units,
            ModelVersion(spec.name, answer.version),
            Timings(time.perf_counter() - started, 0.0, answer.queue_s, answer.inference_s),
        )

    async def models(self) -> tuple[Model, ...]:
        """See `Generator.models`."""
        role = EXPRESSION_GENERATOR.name
        return tuple(
            Model(ModelVersion(spec.name, spec.version), role, spec.name == role, spec.labels, spec.card)
            for spec in self._specs().values()
        )

    async def check(self) -> None:
        """Refuse entries that are no generators; that there is none at all is fine.

        Raises:
            RepositoryError: the sentence says which entry, and which tensor it must have.
        """
        for name in self._specs():
            check(self._backend, EXPRESSION_GENERATOR, name)

    def _specs(self) -> dict[str, ModelSpec]:
        specs = self._backend.specs().items()
        return {name: spec for name, spec in specs if name.startswith(EXPRESSION_GENERATOR.name)}

    def _spec(self, name: str) -> ModelSpec:
        specs = self._specs()
        if not specs:
            raise MienError(Kind.NOT_IMPLEMENTED, NO_GENERATOR)
        spec = specs.get(name or EXPRESSION_GENERATOR.name)
        if spec is None:
            raise MienError(
                Kind.UNKNOWN_MODEL,
                NO_SUCH_MODEL,
                field="model",
            )
        return spec


def _check(crops: RGB, present: NDArray[np.float32]) -> None:
    """Refuse rows that are none. The backend checks types; what is said here is for callers."""
    if crops.shape[1:] != (SQUARE_PX, SQUARE_PX, 3) or not len(crops):
        raise MienError(
            Kind.BAD_PARAMETER, f"Send faces of {SQUARE_PX} x {SQUARE_PX} pixels, at least one.", field="crops"
        )
    if present.shape != (len(crops), len(ACTION_UNITS)) or not ((present >= 0) & (present <= 1)).all():
        raise MienError(
            Kind.BAD_PARAMETER,
            f"present must have {len(ACTION_UNITS)} action units from 0 to 1 for each face.",
            field="present",
        )

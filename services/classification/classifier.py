"""Expression classification over an inference backend. Satisfies `domain.Classifier`."""

from __future__ import annotations

import time

import numpy as np

from services import calls
from services.domain import RGB, Classification, Model, ModelVersion, Timings
from services.errors import NO_SUCH_MODEL, Kind, MienError
from services.inference.backend import Backend, ModelSpec

ROLE = "expression_classifier"
EVIDENCE = "evidence"  # an output that a model of this role may have, see model_repository/README.md


class ExpressionClassifier:
    """Serves the repository entries whose names begin with the role; `default` answers where none is named."""

    def __init__(self, backend: Backend, default: str = ROLE) -> None:
        self._backend = backend
        self._default = default

    async def classify(self, crops: RGB, *, model: str = "", explain: bool = False) -> Classification:
        started = time.perf_counter()
        spec = self._spec(model)
        (faces,) = spec.inputs
        if crops.shape[1:] != faces.dims:
            raise MienError(
                Kind.BAD_PARAMETER,
                f"{spec.name} takes faces of {faces.dims[0]} x {faces.dims[1]} pixels.",
                field="crops",
            )
        if explain and EVIDENCE not in {output.name for output in spec.outputs}:
            raise MienError(
                Kind.BAD_PARAMETER, "This model cannot explain its answers; leave explain out.", field="explain"
            )
        answer = await self._backend.infer(spec.name, {faces.name: crops}, deadline_s=calls.remaining_s())
        rows = answer.outputs[spec.outputs[0].name]
        if not np.isfinite(rows).all():
            raise MienError(Kind.UNAVAILABLE, "The model gave no valid answer. Tell whoever runs this service.")
        calls.note(model=f"{spec.name}/{answer.version}", rows=len(crops))
        return Classification(
            np.asarray(rows, np.float32),
            ModelVersion(spec.name, answer.version),
            Timings(time.perf_counter() - started, 0.0, answer.queue_s, answer.inference_s),
            answer.outputs[EVIDENCE] if explain else None,
        )

    async def models(self) -> tuple[Model, ...]:
        return tuple(
            Model(ModelVersion(spec.name, spec.version), ROLE, spec.name == self._default, spec.labels, spec.card)
            for spec in self._specs().values()
        )

    def _specs(self) -> dict[str, ModelSpec]:
        return {name: spec for name, spec in self._backend.specs().items() if name.startswith(ROLE)}

    def _spec(self, name: str) -> ModelSpec:
        spec = self._specs().get(name or self._default)
        if spec is None:
            raise MienError(
                Kind.UNKNOWN_MODEL,
                NO_SUCH_MODEL,
                field="model",
            )
        return spec

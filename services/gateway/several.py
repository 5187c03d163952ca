"""Several photos of one request: worked at concurrently, so that they share batches, and answered in their order.

Each is an item as those of a stream are: patient (single calls go before it), and its failure is its own answer. The
deadline is the request's: when it has passed, there is no answer for any. Each takes a place of the admission.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from services import calls, spans
from services.chassis import failures, guard
from services.chassis.admission import Admission
from services.chassis.uploads import check_size
from services.domain import ModelVersion, Reading
from services.errors import Kind, MienError
from services.gateway.pipeline import Pipeline
from services.metrics import Metrics

Classify = Callable[[bytes], Awaitable[Reading]]
METHOD = "/v1/classify"  # what `mien_stream_items` calls them


@dataclass(frozen=True, slots=True)
class Several:
    """The answer to a request with several photos: what became of each, and the model that was asked."""

    outcomes: Sequence[Reading | MienError]
    model: ModelVersion


class SeveralPhotos:
    """Classifies the photos of one request through the pipeline of single calls."""

    def __init__(self, pipeline: Pipeline, admission: Admission, metrics: Metrics, max_bytes: int) -> None:
        """`max_bytes` of each photo."""
        self._pipeline, self._admission, self._metrics, self._max_bytes = pipeline, admission, metrics, max_bytes

    async def classify(self, images: Sequence[bytes], classify: Classify, model: str) -> Several:
        """What each photo shows, or why that cannot be said; `classify` asks the pipeline for one, by `model`.

        Raises:
            MienError: of all of them: UNKNOWN_MODEL, QUEUE_FULL (too few places), DEADLINE_EXCEEDED.
        """
        with self._admission.admitted(len(images) - 1):  # one is the request's own
            guard.charge(len(images) - 1)
            named = await self._pipeline.named(model)
            outcomes = await asyncio.gather(*(self._outcome(image, classify) for image in images))
        failed = [outcome for outcome in outcomes if isinstance(outcome, MienError)]
        for error in failed:
            if error.kind == Kind.DEADLINE_EXCEEDED:
                raise error
        for outcome in outcomes:
            code = outcome.kind.value if isinstance(outcome, MienError) else "ok"
            self._metrics.stream_items.labels(METHOD, code).inc()
        faces = sum(len(outcome.faces) for outcome in outcomes if isinstance(outcome, Reading))
        calls.note(items=len(images), errors=len(failed), faces=faces, bytes=sum(map(len, images)))
        return Several(outcomes, named)

    async def _outcome(self, image: bytes, classify: Classify) -> Reading | MienError:
        left_s = calls.remaining_s()
        with (
            calls.answering(calls.request_id(), math.inf if left_s is None else left_s, patient=True),
            spans.span("photo") as span,
        ):
            try:
                check_size(image, self._max_bytes)
                return await classify(image)
            except Exception as error:
                failure = failures.known(error)
                span.fail(failure.kind)
                return failure

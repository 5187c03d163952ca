"""What REST routes do around their work: heed its caller's departure and deadline, and say how long it took."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

from fastapi import Request

from services import calls
from services.domain import Timings
from services.errors import Kind, MienError

T = TypeVar("T")


async def attended(request: Request, work: Coroutine[Any, Any, T]) -> T:
    """Run the work until it ends, its deadline passes or its caller hangs up. The body must have been read.

    Raises:
        MienError: DEADLINE_EXCEEDED or CANCELLED; the work is cancelled then.
    """
    task = asyncio.ensure_future(work)
    departure = asyncio.ensure_future(_departed(request))
    try:
        await asyncio.wait({task, departure}, timeout=calls.remaining_s(), return_when=asyncio.FIRST_COMPLETED)
        if task.done():
            return task.result()
        if departure.done():
            raise MienError(Kind.CANCELLED, "The caller hung up.")
        raise MienError(
            Kind.DEADLINE_EXCEEDED,
            "The answer was not ready in time. Allow more time, or try again when there is less to do.",
        )
    finally:
        for unfinished in (task, departure):
            unfinished.cancel()
        await asyncio.gather(task, departure, return_exceptions=True)


async def _departed(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


def server_timing(timings: Timings) -> dict[str, str]:
    """The `Server-Timing` header, in milliseconds as the standard wants; the wait for a batch apart from inference."""
    parts = {
        "total": timings.total_s,
        "detection": timings.detection_s,
        "queue": timings.queue_s,
        "inference": timings.inference_s,
    }
    return {"Server-Timing": ", ".join(f"{name};dur={seconds * 1000:.2f}" for name, seconds in parts.items())}

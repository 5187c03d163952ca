"""A link to another service: its channel's calls, with a breaker before them, one more try, and a look at the answer.

A call that was lost on the way (its process died, or is stopping) is made once more: the channel goes on to the next
process (`channels`), all calls only read, and the breaker bounds how many are made in vain. Never after the deadline,
and never because an answer is late: the second call would be one more for those who are late already. For the same
reason none is ever made twice at once.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import grpc

from services.chassis import rpc
from services.chassis.breaker import HUNG_S, Breaker
from services.errors import Kind, MienError
from services.metrics import Metrics

LOG = logging.getLogger("mien.links")
T = TypeVar("T")


class Link:
    """To one service, by its name; for one event loop."""

    def __init__(self, service: str, metrics: Metrics) -> None:
        self._service, self._metrics = service, metrics
        self._retries = metrics.link_retries.labels(service)  # there from the start
        metrics.link(service, False)
        self._breaker = Breaker(self._broken)

    async def call(self, method: Callable[..., Awaitable[Any]], message: Any, read: Callable[[Any], T]) -> T:
        """Call the service's method and `read` its reply.

        Raises:
            MienError: as `rpc.call`; or UNAVAILABLE: the breaker is open, or the reply cannot be read.
        """

        async def guarded(message: Any, *, timeout: float | None, metadata: Any) -> T:  # noqa: ASYNC109 (gRPC's name)
            until = None if timeout is None else time.monotonic() + timeout
            try:
                return await self._once(method, message, timeout, metadata, read)
            except grpc.aio.AioRpcError as failure:
                left_s = None if until is None else until - time.monotonic()
                if not _lost(failure) or (left_s is not None and left_s <= 0):
                    raise
                self._retries.inc()
                return await self._once(method, message, left_s, metadata, read)

        return await rpc.call(guarded, message)  # type: ignore[no-any-return]

    async def _once(
        self,
        method: Callable[..., Awaitable[Any]],
        message: Any,
        timeout: float | None,  # noqa: ASYNC109
        metadata: Any,
        read: Callable[[Any], T],
    ) -> T:
        probe, began = self._breaker.enter(), time.monotonic()
        try:
            reply = await method(message, timeout=timeout, metadata=metadata)
        except grpc.aio.AioRpcError as failure:
            late = failure.code() is grpc.StatusCode.DEADLINE_EXCEEDED
            if rpc.told(failure):
                self._breaker.answered(probe)
            elif late and time.monotonic() - began < HUNG_S:
                self._breaker.left(probe)
            else:
                self._breaker.failed(probe)
            raise
        except BaseException:
            self._breaker.left(probe)
            raise
        try:
            value = read(reply)
        except Exception as error:
            self._breaker.failed(probe)
            LOG.warning("%s answers what cannot be read (%s)", self._service, type(error).__name__)
            raise MienError(
                Kind.UNAVAILABLE, "A service behind this one answers what cannot be read. Try again.", retry_after_s=1.0
            ) from None
        self._breaker.answered(probe)
        return value

    def _broken(self, broken: bool) -> None:
        self._metrics.link(self._service, broken)
        LOG.warning("%s %s", self._service, "does not answer: calls are refused" if broken else "answers again")


def _lost(failure: grpc.aio.AioRpcError) -> bool:
    """Whether another process may answer: this one is gone, or says that it is not ready."""
    if rpc.told(failure):
        return rpc.error_of(failure).kind is Kind.NOT_READY
    return failure.code() is grpc.StatusCode.UNAVAILABLE

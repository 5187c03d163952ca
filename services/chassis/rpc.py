"""What every gRPC service shares: request ids, deadlines, admission, access lines, metrics, rich status errors.

On the server an interceptor puts these around each method, unary or streaming; on the client `Stub` calls pass id,
patience and deadline on and turn a rich status back into the `MienError` that it was.
"""

from __future__ import annotations

import asyncio
import logging
import math
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import grpc
from google.protobuf import any_pb2, duration_pb2
from google.rpc import code_pb2, error_details_pb2, status_pb2
from grpc_status import rpc_status

from services import calls, spans
from services.chassis import failures, logs
from services.chassis.admission import Admission
from services.chassis.guard import HEADERS, OPEN, Guard, scope_of
from services.errors import TABLE, Kind, MienError
from services.metrics import UNMATCHED, Metrics

LOG = logging.getLogger("mien.rpc")
DOMAIN = "mien"
_MARGIN_S = 0.005  # what a reply needs to travel back
_PATIENT = "mien-patient"  # metadata: "1" where the call is an item of a stream
_NO_MESSAGE = object()
_TOO_LARGE = (
    "The answer would have {:,} bytes, and a message at most {:,}. "
    "Ask for less at once: fewer faces or steps, or smaller crops."
)
_FREE = frozenset({"ListModels"})  # nobody waits for these
_LEAST_WAIT_S = 0.05  # between two tries of a patient call


@dataclass(frozen=True, slots=True)
class Terms:
    """On what terms calls of one sort are answered.

    Attributes:
        admission: how many at once.
        timeout_s: the longest that one may take.
    """

    admission: Admission
    timeout_s: float


class Edge(grpc.aio.ServerInterceptor):  # type: ignore[misc]
    """The outermost layer of a call. Health and reflection pass untouched."""

    def __init__(
        self,
        service: str,
        metrics: Metrics,
        *,
        single: Terms,
        patient: Terms,
        streams: Terms,
        guard: Guard = OPEN,
        max_message_bytes: int = 0,
    ) -> None:
        """Prepare to.

        Args:
            single: terms of unary calls.
            patient: of unary calls that are items of a stream at another service: they take no place from the others.
            streams: of streams as a whole; their items have terms of their own.
            guard: who may call.
            max_message_bytes: of an answer (0: no limit); the messages of a stream are its own affair.
        """
        self.guard, self._max_message_bytes = guard, max_message_bytes
        self.service, self.metrics, self.single, self.patient, self.streams = service, metrics, single, patient, streams

    async def intercept_service(
        self, continuation: Callable[[Any], Awaitable[Any]], details: grpc.HandlerCallDetails
    ) -> Any:
        handler = await continuation(details)
        if handler is None:
            self._count(UNMATCHED, Kind.NOT_FOUND)
        if handler is None or not details.method.startswith("/mien."):
            return handler
        inner, method = handler.unary_unary or handler.stream_stream, details.method.rpartition("/")[2]
        patient = dict(details.invocation_metadata or ()).get(_PATIENT) == "1"
        terms = self.streams if handler.stream_stream else self.patient if patient else self.single

        async def behaviour(messages: AsyncIterator[Any], context: grpc.aio.ServicerContext) -> None:
            reply = await self._answer(inner, method, messages, context, terms)
            if not handler.stream_stream:
                await context.write(reply)

        # also a unary call, on the wire a stream of one: else its message would be here before anybody is asked
        return grpc.stream_stream_rpc_method_handler(
            behaviour,
            self._reader(method, handler.request_deserializer),
            self._writer(method, handler.response_serializer),
        )

    def _reader(self, method: str, parse: Callable[[bytes], Any]) -> Callable[[bytes], Any]:
        """Counts what comes; what is no message is `_NO_MESSAGE`, for gRPC would refuse it without telling anybody."""
        received = self.metrics.received.labels(self.service, "grpc", method)

        def read(data: bytes) -> Any:
            received.inc(len(data))
            try:
                return parse(data)
            except Exception:
                return _NO_MESSAGE

        return read

    def _writer(self, method: str, serialise: Callable[[Any], bytes]) -> Callable[[Any], bytes]:
        sent = self.metrics.sent.labels(self.service, "grpc", method)

        def write(message: Any) -> bytes:
            data = serialise(message)
            sent.inc(len(data))
            return data

        return write

    def _count(self, method: str, failure: Kind | None) -> None:
        self.metrics.requests.labels(self.service, "grpc", method, failure.value if failure else "ok").inc()
        if failure:
            self.metrics.failed(self.service, "grpc", method, failure)

    async def _answer(  # noqa: RET503
        self, inner: Any, method: str, messages: AsyncIterator[Any], context: grpc.aio.ServicerContext, terms: Terms
    ) -> Any:
        metadata = dict(context.invocation_metadata() or ())
        allowed = context.time_remaining()
        timeout_s = terms.timeout_s if allowed is None else min(allowed, terms.timeout_s)
        started = time.perf_counter()
        ended: Kind | None = Kind.INTERNAL
        in_flight = self.metrics.in_flight.labels(self.service, "grpc")
        in_flight.inc()
        request_id, patient = calls.new_id(metadata.get("x-request-id")), terms is self.patient
        with (
            calls.answering(request_id, timeout_s, patient=patient) as call,
            spans.serving(method, metadata) as span,
        ):
            try:
                shown = {name: str(metadata[name]) for name in HEADERS if name in metadata}
                with self.guard.admitted(shown, scope_of(method)):
                    reply = await self._admitted(inner, method, messages, context, terms)
                ended = None
                return reply
            except asyncio.CancelledError:
                ended = Kind.CANCELLED
                raise
            except Exception as error:
                failure = failures.known(error)
                ended = failure.kind
            finally:
                in_flight.dec()
                self._record(call, span, method, ended, time.perf_counter() - started, streamed=terms is self.streams)
            await context.abort_with_status(rpc_status.to_status(status_of(failure)))

    async def _admitted(
        self, inner: Any, method: str, messages: AsyncIterator[Any], context: grpc.aio.ServicerContext, terms: Terms
    ) -> Any:
        """Asked twice: before the message is read, since refusing must be cheap where many ask, and when it is here
        whole, since who is slow to send it holds no place meanwhile."""
        waits = method not in _FREE
        timeout_s = calls.remaining_s() or 0.0
        terms.admission.check(within_s=timeout_s if waits else None)
        await context.send_initial_metadata((("x-request-id", calls.request_id()),))
        async with asyncio.timeout(timeout_s if timeout_s < math.inf else None):
            message = _each_read(messages) if terms is self.streams else _read(await context.read())
            with terms.admission.admitted(within_s=calls.remaining_s() if waits else None) as place:
                if waits:
                    place.begin()
                reply = await inner(message, context)
                # gRPC would break the call off with words for whoever runs the service
                if terms is not self.streams and 0 < self._max_message_bytes < (size := reply.ByteSize()):
                    raise MienError(Kind.TOO_MANY_BYTES, _TOO_LARGE.format(size, self._max_message_bytes))
                place.answered = True
                return reply

    def _record(
        self, call: calls.Call, span: spans.Span, method: str, failure: Kind | None, seconds: float, *, streamed: bool
    ) -> None:
        self._count(method, failure)
        span.note({"service": self.service, "request_id": call.request_id, **call.notes})
        if failure:
            span.fail(failure)
        if not streamed:  # how long a stream lasts is its caller's affair
            self.metrics.request_duration.labels(self.service, "grpc", method).observe(seconds)
        fields = {"request_id": call.request_id, "service": self.service, "transport": "grpc", "method": method}
        logs.access(**fields, code=failure.value if failure else "ok", seconds=round(seconds, 4), **call.notes)


def _read(message: Any) -> Any:
    """A message as it is.

    Raises:
        MienError: MALFORMED_REQUEST, it is none, or the caller has ended without one.
    """
    if message is _NO_MESSAGE or message is grpc.aio.EOF:
        raise MienError(Kind.MALFORMED_REQUEST, "The request is not a message of this method; use its .proto file.")
    return message


async def _each_read(messages: AsyncIterator[Any]) -> AsyncIterator[Any]:
    async for message in messages:
        yield _read(message)


def status_of(error: MienError) -> status_pb2.Status:
    """The rich status (google.rpc.Status) of an error: ErrorInfo always, BadRequest and RetryInfo where they apply."""
    row = TABLE[error.kind]
    details: list[Any] = [
        error_details_pb2.ErrorInfo(reason=error.kind.value, domain=DOMAIN, metadata={"request_id": calls.request_id()})
    ]
    if error.field:
        violation = error_details_pb2.BadRequest.FieldViolation(field=error.field, description=error.detail)
        details.append(error_details_pb2.BadRequest(field_violations=[violation]))
    if error.retry_after_s:
        delay = duration_pb2.Duration(seconds=int(error.retry_after_s), nanos=int(error.retry_after_s % 1 * 1e9))
        details.append(error_details_pb2.RetryInfo(retry_delay=delay))
    packed = []
    for detail in details:
        box = any_pb2.Any()
        box.Pack(detail)
        packed.append(box)
    return status_pb2.Status(code=code_pb2.Code.Value(row.grpc), message=error.detail, details=packed)


def error_of(failure: grpc.aio.AioRpcError) -> MienError:
    """The `MienError` that another Mien service raised, or UNAVAILABLE where the call never got an answer of ours."""
    status = _status(failure)
    field, retry_after_s, kind = "", 0.0, None
    for detail in status.details if status else ():
        info, bad, retry = error_details_pb2.ErrorInfo(), error_details_pb2.BadRequest(), error_details_pb2.RetryInfo()
        if detail.Unpack(info) and info.domain == DOMAIN and info.reason in {known.value for known in Kind}:
            kind = Kind(info.reason)
        elif detail.Unpack(bad) and bad.field_violations:
            field = bad.field_violations[0].field
        elif detail.Unpack(retry):
            retry_after_s = retry.retry_delay.seconds + retry.retry_delay.nanos / 1e9
    if status and kind is not None:
        return MienError(kind, status.message, field=field, retry_after_s=retry_after_s)
    if failure.code() == grpc.StatusCode.DEADLINE_EXCEEDED:
        return MienError(Kind.DEADLINE_EXCEEDED, "The answer was not ready in time.")
    return MienError(Kind.UNAVAILABLE, "A service behind this one does not answer. Try again.", retry_after_s=1.0)


def told(failure: grpc.aio.AioRpcError) -> bool:
    """Whether another Mien service says so itself; else the call did not come to an answer."""
    status = _status(failure)
    return any(detail.Is(error_details_pb2.ErrorInfo.DESCRIPTOR) for detail in (status.details if status else ()))


def _status(failure: grpc.aio.AioRpcError) -> status_pb2.Status | None:
    try:
        return rpc_status.from_call(failure)
    except ValueError:  # one that contradicts itself
        return None


async def call(method: Callable[..., Awaitable[Any]], message: Any) -> Any:
    """Call another service's method, passing on the request id, the patience and what is left of the deadline.

    A patient call that is refused because too many wait is made again until its deadline, or the caller, ends it.

    Raises:
        MienError: what the other side raised, or UNAVAILABLE, or DEADLINE_EXCEEDED.
    """
    while True:
        try:
            return await _call(method, message)
        except MienError as error:
            wait_s = max(_LEAST_WAIT_S, error.retry_after_s) * random.uniform(0.5, 1.0)  # noqa: S311
            if error.kind is not Kind.QUEUE_FULL or not calls.patient() or wait_s >= (calls.remaining_s() or 0.0):
                raise
        await asyncio.sleep(wait_s)


async def _call(method: Callable[..., Awaitable[Any]], message: Any) -> Any:
    remaining = calls.remaining_s()
    metadata = [("x-request-id", calls.request_id())] if calls.request_id() else []
    if calls.patient():
        metadata.append((_PATIENT, "1"))
    metadata += spans.headers().items()
    try:
        return await method(
            message, timeout=None if remaining is None else max(0.0, remaining - _MARGIN_S), metadata=metadata
        )
    except grpc.aio.AioRpcError as failure:
        LOG.debug("call failed: %s", failure.code())
        raise error_of(failure) from None

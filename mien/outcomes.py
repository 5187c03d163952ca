"""What a call can come to: an answer of the contract, or a `CallError`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from mien.v1 import mien_pb2 as pb

# services.errors says the same for the server's side; "unavailable" is also gRPC's own name for nobody being there
RETRYABLE = frozenset(
    {
        "queue_full",
        "rate_exceeded",
        "quota_exceeded",
        "slow_request",
        "deadline_exceeded",
        "not_ready",
        "unavailable",
    }
)


class CallError(Exception):
    """A call, or one item of a stream, that failed.

    Attributes:
        code: the stable reason, such as `not_an_image`, or the gRPC status's name where no Mien service answered.
        detail: one sentence on what to do.
        field: the request's field at fault, or empty.
        retryable: whether the same request may succeed later.
        retry_after_s: seconds after which to ask again; 0: unknown.
    """

    def __init__(
        self, code: str, detail: str, *, field: str = "", retryable: bool = False, retry_after_s: float = 0.0
    ) -> None:
        super().__init__(f"{detail} ({code})")
        self.code = code
        self.detail = detail
        self.field = field
        self.retryable = retryable
        self.retry_after_s = retry_after_s


@dataclass(frozen=True, slots=True)
class Outcome:
    """One item's answer: the `result`, a response of the contract, or the `error`; the other one is None."""

    id: str
    result: Any | None = None
    error: CallError | None = None


def outcome_of(reply: Any) -> Outcome:
    """What a message of a stream says about its item."""
    if reply.WhichOneof("outcome") == "result":
        return Outcome(reply.id, result=reply.result)
    error: pb.ItemError = reply.error
    failed = CallError(
        error.code or "internal",
        error.detail or "The answer has neither result nor error.",
        field=error.field,
        retryable=error.retryable,
        retry_after_s=error.retry_after_s,
    )
    return Outcome(reply.id, error=failed)


def call_error(failure: Any) -> CallError:
    """The `CallError` of a `grpc.RpcError`, blocking or not: of the rich status, if a Mien service sent one."""
    code, field, retry_after_s = str(failure.code().name.lower()), "", 0.0
    for key, value in failure.trailing_metadata() or ():
        if key == "grpc-status-details-bin":
            from google.rpc import error_details_pb2, status_pb2

            info, bad, retry = (
                error_details_pb2.ErrorInfo(),
                error_details_pb2.BadRequest(),
                error_details_pb2.RetryInfo(),
            )
            for detail in status_pb2.Status.FromString(value).details:
                if detail.Unpack(info):
                    code = str(info.reason)
                elif detail.Unpack(bad) and bad.field_violations:
                    field = str(bad.field_violations[0].field)
                elif detail.Unpack(retry):
                    retry_after_s = retry.retry_delay.seconds + retry.retry_delay.nanos / 1e9
    return CallError(
        code,
        failure.details() or "The call failed.",
        field=field,
        retryable=code in RETRYABLE,
        retry_after_s=retry_after_s,
    )

"""One table for both transports."""

from __future__ import annotations

import grpc
import pytest

from services.calls import answering
from services.chassis.problems import problem
from services.chassis.rpc import error_of, status_of
from services.errors import TABLE, Kind, MienError


def test_every_kind_has_a_row_that_both_transports_know() -> None:
    assert set(TABLE) == set(Kind)
    for row in TABLE.values():
        assert 400 <= row.http < 600
        assert row.grpc in grpc.StatusCode.__members__


@pytest.mark.parametrize("kind", Kind)
def test_an_error_says_the_same_on_both_transports(kind: Kind) -> None:
    error = MienError(kind, "Do this.", field="image", retry_after_s=2.5)
    with answering("id-1", 1.0):
        status, response = status_of(error), problem(error)
    body = bytes(response.body).decode()
    assert f'"code":"{kind}"' in body
    assert '"request_id":"id-1"' in body
    assert response.headers["retry-after"] == "3"
    assert response.status_code == TABLE[kind].http
    returned = error_of(_Failure(status))
    assert (returned.kind, returned.detail, returned.field, returned.retry_after_s) == (kind, "Do this.", "image", 2.5)


def test_a_service_that_never_answered_is_unavailable_and_its_text_stays_inside() -> None:
    error = error_of(_Failure(None, grpc.StatusCode.UNAVAILABLE, "connect to 10.0.0.7 failed"))
    assert error.kind == Kind.UNAVAILABLE
    assert "10.0.0.7" not in error.detail


class _Failure(grpc.aio.AioRpcError):
    """A failed call as the client sees it: the status travels in the trailing metadata."""

    def __init__(self, status: object, code: grpc.StatusCode | None = None, details: str | None = None) -> None:
        trailing = grpc.aio.Metadata()
        if status is not None:
            code = next(one for one in grpc.StatusCode if one.value[0] == status.code)  # type: ignore[attr-defined]
            details = status.message  # type: ignore[attr-defined]
            trailing.add("grpc-status-details-bin", status.SerializeToString())  # type: ignore[attr-defined]
        super().__init__(code, grpc.aio.Metadata(), trailing, details=details)

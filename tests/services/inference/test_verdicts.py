"""What Triton 2.51 was seen to answer, and what is made of it."""

from __future__ import annotations

import pytest

from services.inference.verdicts import Verdict, verdict


@pytest.mark.parametrize(
    ("status", "text", "wanted"),
    [
        ("UNAVAILABLE", "[request id: <id_unknown>] Exceeds maximum queue size", Verdict.FULL),
        ("UNAVAILABLE", "Request timeout expired", Verdict.LATE),
        ("DEADLINE_EXCEEDED", "Deadline Exceeded", Verdict.LATE),
        ("UNAVAILABLE", "Stream removed (Socket closed)", Verdict.GONE),
        ("UNAVAILABLE", "failed to connect to all addresses; Connection refused", Verdict.GONE),
        ("UNAVAILABLE", "Server is stopping, scheduler for model has stopped accepting new requests", Verdict.GONE),
        ("INTERNAL", "Stub process 'two_0_1' is not healthy.", Verdict.DEAD),
        ("NOT_FOUND", "Request for unknown model: 'nobody' is not found", Verdict.DEAD),
        ("INTERNAL", "the model failed: [ONNXRuntimeError] : 2 : INVALID_ARGUMENT", Verdict.FAILED),
        ("INVALID_ARGUMENT", "inference request batch-size must be <= 8 for 'two'", Verdict.FAILED),
    ],
)
def test_a_refusal_is_sorted_by_what_is_to_be_done(status: str, text: str, wanted: Verdict) -> None:
    assert verdict(f"StatusCode.{status}", text) is wanted

"""What counts as a fault of ours."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.hostile import corpus
from tests.hostile.judging import LIMIT_S, Answer, Case, Ledger, fault


@pytest.mark.parametrize(
    "text",
    [
        b"Traceback (most recent call last)",
        b'File "pipeline.py", line 3',
        b"no such file: /srv/mien/model.onnx",
        b"numpy.ndarray has no attribute",
        b"ValueError: bad",
        b"<Detector object at 0x7f>",
    ],
)
def test_inside_text_is_a_leak_unless_the_caller_said_it(text: bytes) -> None:
    assert fault(Answer("400", text, 0.1), b"").startswith("leak")
    assert not fault(Answer("400", text, 0.1), b"I say " + text)


@pytest.mark.parametrize("status", ["500", "501", "502", "504", "INTERNAL", "UNKNOWN"])
def test_an_error_of_ours_is_a_fault(status: str) -> None:
    assert fault(Answer(status, b"", 0.1), b"") == f"status {status}"


def test_what_a_caller_may_hear_is_none() -> None:
    sentence = b"There is nothing at this address; GET /docs lists what there is. Send image/jpeg to /v1/classify."
    for status in ("404", "503", "UNAVAILABLE", "closed"):
        assert not fault(Answer(status, sentence, 0.1), b"")


def test_an_answer_that_is_late_is_a_hang() -> None:
    assert fault(Answer("200", b"", LIMIT_S + 1), b"").startswith("hang")


def test_a_case_with_a_fault_is_kept_as_a_file(tmp_path: Path) -> None:
    ledger, case = Ledger(tmp_path), Case("http", "00001-noise", b"\0", finished=False)
    ledger.enter(case, Answer("500", b"", 0.1))
    ledger.enter(Case("http", "00002-noise", b"\1"), Answer("400", b"", 0.1))
    assert corpus.read("http", tmp_path) == [case]

"""What it means when Triton refuses or fails: its status and text, sorted by what is to be done about it.

Triton has one status for several causes, so its text decides; that text goes to the log and never to a caller.
"""

from __future__ import annotations

from enum import Enum


class Verdict(Enum):
    """What became of a request that Triton did not answer."""

    FULL = "the queue is full"
    LATE = "the deadline has passed"
    GONE = "the server is away, or on its way out: another try may meet it again"
    DEAD = "the model cannot answer anybody, and Triton does not mend it"
    FAILED = "the model failed on these rows"


class RefusalError(Exception):
    """Triton gave no answer; `text` is its own, for the log only."""

    def __init__(self, verdict: Verdict, text: str) -> None:
        super().__init__(text)
        self.verdict, self.text = verdict, text


def verdict(status: str, text: str) -> Verdict:
    """Sort a failure by its gRPC status (`StatusCode.X`, or empty) and Triton's text."""
    match status.removeprefix("StatusCode."):
        case "RESOURCE_EXHAUSTED":
            return Verdict.FULL
        case "DEADLINE_EXCEEDED":
            return Verdict.LATE
        case "UNAVAILABLE" if "maximum queue size" in text:
            return Verdict.FULL
        case "UNAVAILABLE" if "timeout expired" in text:
            return Verdict.LATE
        case "UNAVAILABLE" | "CANCELLED":  # we were not cancelled ourselves: that is asyncio.CancelledError
            return Verdict.GONE
        case "NOT_FOUND":
            return Verdict.DEAD  # the model was unloaded
        case "INTERNAL" if "Stub process" in text:
            return Verdict.DEAD
        case _:
            return Verdict.FAILED

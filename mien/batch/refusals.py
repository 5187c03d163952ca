"""Why a batch ends early, each one sentence for the user."""

from __future__ import annotations

FRESH = "--restart begins anew"


class RefusalError(Exception):
    """What the user can put right: a wrong path, other inputs than before, another model."""


class NobodyAnswersError(Exception):
    """No gateway answered for as long as the user was willing to wait; the same command goes on later."""


class StoppedError(Exception):
    """The user or the system asked to stop; the same command goes on later."""

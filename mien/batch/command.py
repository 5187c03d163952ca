"""The verb: an order → an exit status and one sentence."""

from __future__ import annotations

import errno
import os
import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import FrameType

from rich.console import Console

from mien.batch.engine import Engine
from mien.batch.progress import shown, summary
from mien.batch.refusals import NobodyAnswersError, RefusalError, StoppedError
from mien.batch.run import Order, run
from mien.batch.sources import listing
from mien.results_files import SUFFIXES

REFUSED, DISK, AWAY, STOPPED = 2, 74, 75, 130  # sysexits.h: 74 an error of the disk, 75 "try again later"
_OF_THE_DISK = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EROFS})
_GO_ON = "The answers so far are kept; the same command goes on."


def classify_many(paths: Sequence[str], order: Order, errors: Console, engine: Engine | None = None) -> int:
    """Run the batch, on the order's gateways unless there is another engine; the exit status."""
    if order.target.suffix not in SUFFIXES:
        return _said(errors, f"--to must end in {', '.join(SUFFIXES)}", REFUSED)
    try:
        with _stopping() as stopping, shown(errors) as show:
            outcome = run(order, listing(paths, sys.stdin), show, stopping, engine)
    except RefusalError as refusal:
        return _said(errors, str(refusal), REFUSED)
    except NobodyAnswersError as error:
        return _said(errors, f"{error}. {_GO_ON}", AWAY)
    except OSError as error:
        if error.errno not in _OF_THE_DISK:
            raise
        return _said(errors, f"cannot write beside {order.target}: {os.strerror(error.errno)}. {_GO_ON}", DISK)
    except StoppedError:
        return _said(errors, f"stopped. {_GO_ON}", STOPPED)
    out = Console(highlight=False, soft_wrap=True)
    if outcome is None:
        out.print(f"{order.target} is complete.", markup=False)
    else:
        out.print(f"{order.target}: {summary(outcome.tally, outcome.asked, outcome.seconds)}", markup=False)
    return 0


@contextmanager
def _stopping() -> Iterator[threading.Event]:
    """Set by the first SIGINT or SIGTERM; the second ends the process as usual."""
    event, numbers = threading.Event(), (signal.SIGINT, signal.SIGTERM)

    def stop(number: int, _: FrameType | None) -> None:
        event.set()
        signal.signal(number, signal.SIG_DFL)

    before = [signal.signal(number, stop) for number in numbers]
    try:
        yield event
    finally:
        for number, handler in zip(numbers, before, strict=True):
            signal.signal(number, handler)


def _said(errors: Console, sentence: str, status: int) -> int:
    errors.print(f"mien: {sentence}", style="red", markup=False, soft_wrap=True)
    return status

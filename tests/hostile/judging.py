"""What a hostile request got, and whether that is a fault of ours.

A fault is a 5xx other than 503 (of gRPC its like), an answer that took longer than `LIMIT_S`, or an answer that tells
something of the inside. A connection that is closed without an answer is none: the caller broke the protocol.
"""

from __future__ import annotations

import re
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import psutil

LIMIT_S = 30.0  # no call may take longer (MIEN_TIMEOUT_S)
CLOSED = "closed"
UNFINISHED = ".unfinished"  # ends the name of a case's file
_MIB = 1024 * 1024
_ABORTED = {"INTERNAL", "UNKNOWN", "DATA_LOSS", "ABORTED"}
_INSIDE = re.compile(
    rb"Traceback"
    rb"|\b\w+\.py\b"  # a module's file
    rb"|(?<![\w/:.<-])/(?!docs\b|v1\b)[\w.-]+/[\w.-]+"  # a path of a file
    rb"|\b(?:services|starlette|fastapi|uvicorn|pydantic|h11|PIL|cv2|numpy|onnxruntime|asyncio|grpc|multipart)\.\w+"
    rb"|\bErrno\b|\bobject at 0x|\b\w+(?:Error|Exception)\b"
)


@dataclass(frozen=True, slots=True)
class Answer:
    """`status` is HTTP's number, gRPC's name, or `CLOSED`; `text` HTTP's body or the sentence of gRPC's status."""

    status: str
    text: bytes
    seconds: float


@dataclass(frozen=True, slots=True)
class Case:
    """One hostile request: its sort (image, http, grpc), a name that says how it is bad, and its bytes.

    Attributes:
        finished: whether all that the protocol wants has been sent; if not, the caller hangs up its end then.
    """

    sort: str
    name: str
    data: bytes
    finished: bool = True


def fault(answer: Answer, asked: bytes) -> str:
    """What is wrong with the answer, or nothing. What the caller said may stand in it (`asked`)."""
    if answer.seconds > LIMIT_S:
        return f"hang: {answer.seconds:.0f} s"
    if answer.status in _ABORTED or (answer.status.startswith("5") and answer.status != "503"):
        return f"status {answer.status}"
    if answer.status in ("200", "OK"):  # /docs and the models' cards speak of modules and of paths
        return ""
    for found in _INSIDE.finditer(answer.text):
        if found[0] not in asked:
            return f"leak: {found[0].decode(errors='replace')}"
    return ""


@dataclass(slots=True)
class Ledger:
    """All answers of one sort; the cases with a fault are written into `folder`, if there is one."""

    folder: Path | None = None
    statuses: Counter[str] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)
    longest_s: float = 0.0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def enter(self, case: Case, answer: Answer) -> None:
        """Count it, and keep the case if its answer has a fault."""
        wrong = fault(answer, case.data)
        with self.lock:
            self.statuses[answer.status] += 1
            self.longest_s = max(self.longest_s, answer.seconds)
            if wrong:
                self.faults.append(f"{case.sort} {case.name}: {wrong}")
                if self.folder:
                    place = self.folder / case.sort
                    place.mkdir(parents=True, exist_ok=True)
                    (place / (case.name + UNFINISHED * (not case.finished))).write_bytes(case.data)

    def told(self) -> str:
        """How often each status came."""
        return ", ".join(f"{count:,} x {status}" for status, count in sorted(self.statuses.items()))


@dataclass(slots=True)
class Memory:
    """MiB of resident memory: when the block began, the most in it, and when it ended."""

    start: float = 0.0
    most: float = 0.0
    end: float = 0.0

    def growth(self) -> float:
        """What stayed."""
        return self.end - self.start


@contextmanager
def weighing(pid: int, every_s: float = 0.02) -> Iterator[Memory]:
    """Sample the memory of a process until the block ends."""
    process, over = psutil.Process(pid), threading.Event()

    def now() -> float:
        return float(process.memory_info().rss / _MIB)

    memory = Memory(now(), now())

    def sample() -> None:
        while not over.wait(every_s):
            memory.most = max(memory.most, now())

    thread = threading.Thread(target=sample)
    thread.start()
    try:
        yield memory
    finally:
        over.set()
        thread.join()
        memory.end = now()
        memory.most = max(memory.most, memory.end)

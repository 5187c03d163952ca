"""Logs on standard error: JSON lines for machines, or plain text for a terminal. One access line for each call.

Never a picture, a file name, a URL's query or a key; an unexpected exception is logged with its traceback, here only.
"""

from __future__ import annotations

import json
import logging
import sys
import time
from functools import lru_cache

from services import spans

ACCESS = logging.getLogger("mien.access")


_AS_JSON = json.JSONEncoder(default=str).encode  # made once: `dumps` with a default makes one for every line


class _JsonLines(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, object] = {
            "time": f"{_second(int(record.created))}.{int(record.msecs):03d}Z",
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        line |= getattr(record, "fields", {})
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return _AS_JSON(line)


@lru_cache(maxsize=1)
def _second(since_1970: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(since_1970))


class _Text(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        fields = " ".join(f"{key}={value}" for key, value in getattr(record, "fields", {}).items())
        text = f"{time.strftime('%H:%M:%S')} {record.levelname.lower():7} {record.getMessage()} {fields}".rstrip()
        return f"{text}\n{self.formatException(record.exc_info)}" if record.exc_info else text


def configure(level: str, style: str) -> None:
    """`level`: debug, info, warning or error. `style`: json, text, or auto (text on a terminal)."""
    handler = logging.StreamHandler(sys.stderr)
    text = style == "text" or (style == "auto" and sys.stderr.isatty())
    handler.setFormatter(_Text() if text else _JsonLines())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    for noisy in ("uvicorn", "uvicorn.error", "uvicorn.access", "asyncio"):
        logging.getLogger(noisy).setLevel("WARNING")
    logging.getLogger("grpc._common").setLevel("CRITICAL")  # a traceback for what is no message; `links` says it once


def access(**fields: object) -> None:
    """The one line that a call leaves behind; with the trace, where one is kept."""
    if trace_id := spans.trace_id():
        fields["trace_id"] = trace_id
    if ACCESS.isEnabledFor(logging.INFO):
        # a record made by hand: `info` would look for the line of code that it is called from, every time
        text = f"{fields.get('service')} {fields.get('method')}"
        record = ACCESS.makeRecord(ACCESS.name, logging.INFO, "", 0, text, (), None, extra={"fields": fields})
        ACCESS.handle(record)

"""Requests that schemathesis makes of a service's own OpenAPI, within it and beyond it, sent to the running process."""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import Sequence
from pathlib import Path

import hypothesis
import requests
import schemathesis
from schemathesis import GenerationMode

from tests.hostile.judging import CLOSED, LIMIT_S, Answer, Case, Ledger

_UNCHECKED = list(hypothesis.HealthCheck)


def ask_all(urls: Sequence[str], count: int, ledger: Ledger) -> None:
    """About `count` requests, the same ones each time: as many of each operation, half of them against its schema."""
    logging.getLogger("urllib3.connectionpool").setLevel(logging.ERROR)
    modes = (GenerationMode.POSITIVE, GenerationMode.NEGATIVE)
    operations = [
        (url, found.ok())
        for url in urls
        for found in schemathesis.openapi.from_url(f"{url}/openapi.json").get_all_operations()
    ]
    # those without parameters can be asked in one way only
    open_ones = [(url, each) for url, each in operations if each.method != "get"]
    each = max(1, count // (len(open_ones) * len(modes)))
    with requests.Session() as session:
        for url, operation in operations:
            for mode in modes:
                _ask(operation, mode, each, session, url, ledger)


def _ask(
    operation: object, mode: GenerationMode, count: int, session: requests.Session, url: str, ledger: Ledger
) -> None:
    strategy, asked = operation.as_strategy(generation_mode=mode), 0  # type: ignore[attr-defined]

    @hypothesis.seed(0)
    @hypothesis.settings(
        max_examples=count,
        database=None,
        deadline=None,
        suppress_health_check=_UNCHECKED,
        phases=[hypothesis.Phase.generate],
    )
    @hypothesis.given(case=strategy)
    def send(case: schemathesis.Case) -> None:
        nonlocal asked
        asked += 1
        name = f"{Path(case.path).name}-{mode.value}-{asked:05}"
        prepared, answer = _sent(case, session, url)
        ledger.enter(Case("http", f"described-{name}", prepared), answer)

    with contextlib.suppress(hypothesis.errors.Unsatisfiable):  # nothing can be asked wrongly without parameters
        send()


def _sent(case: schemathesis.Case, session: requests.Session, url: str) -> tuple[bytes, Answer]:
    begun = time.monotonic()
    try:
        reply = case.call(base_url=url, session=session, timeout=LIMIT_S + 5)
    except requests.Timeout:
        return case.as_curl_command().encode(), Answer(CLOSED, b"", time.monotonic() - begun)
    except (requests.RequestException, UnicodeError, ValueError):  # what requests does not send
        return b"", Answer(CLOSED, b"", 0.0)
    asked = reply.request
    head = f"{asked.method} {asked.path_url} HTTP/1.1\r\n" + "".join(
        f"{k}: {_text(v)}\r\n" for k, v in asked.headers.items()
    )
    body = asked.body.encode() if isinstance(asked.body, str) else asked.body or b""
    return (
        head.encode(errors="replace") + b"\r\n" + (body if isinstance(body, bytes) else b""),
        Answer(str(reply.status_code), reply.content, time.monotonic() - begun),
    )


def _text(value: str | bytes) -> str:
    return value.decode("latin-1") if isinstance(value, bytes) else value

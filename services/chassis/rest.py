"""What every REST service shares: request ids, deadlines, admission, access lines, metrics, problems, probes.

A service brings its routes; `build` puts the chassis around them. Written as plain ASGI, so that a body is not
buffered on the way.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any

import h11
from fastapi import APIRouter, Depends, FastAPI, Response
from fastapi.responses import JSONResponse, RedirectResponse
from fastapi.security import HTTPBearer
from fastapi_offline import FastAPIOffline
from starlette.middleware.cors import CORSMiddleware
from starlette.routing import BaseRoute, Match
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from services import calls, spans
from services.chassis import failures, logs, problems
from services.chassis.admission import Admission, Place
from services.chassis.arrivals import Arrivals
from services.chassis.guard import HEADERS, OPEN, Guard, scope_of
from services.chassis.headers import safe_headers
from services.errors import TABLE, Kind, MienError
from services.metrics import CONTENT_TYPE, UNMATCHED, Metrics

LOG = logging.getLogger("mien.rest")

Readiness = Callable[[], Awaitable[dict[str, bool]]]
_FREE = ("GET", "HEAD", "OPTIONS")  # nobody waits for these
_TRACE = (b"traceparent", b"tracestate")
_MOST_PARAMETERS = 64  # of a query: each that is unknown costs time to say so
_CORS: dict[str, Any] = {
    "allow_headers": ["authorization", "content-type", "request-timeout", "x-api-key", "x-request-id"],
    "expose_headers": ["retry-after", "server-timing", "x-request-id"],
}
_FASTAPIS_OWN = ("tracing", "metrics", "logs", "auto_configure")  # would tell addresses, queries and tracebacks


def build(
    service: str,
    routes: APIRouter,
    *,
    version: str,
    metrics: Metrics,
    readiness: Readiness,
    admission: Admission,
    timeout_s: float,
    guard: Guard = OPEN,
    encrypted: bool = False,
    origins: Sequence[str] = (),
) -> FastAPI:
    """A service's REST application.

    Args:
        service: its activity: gateway, detection, classification or generation.
        readiness: what must be ready, by name.
        timeout_s: the longest that a call may take; a caller may ask for less with the header `Request-Timeout`.
        guard: who may call /v1/; everything else is open.
        encrypted: over TLS, which browsers are told to insist on.
        origins: whose pages may ask from a browser (CORS).
    """
    # /docs brings its own script: a service without internet, or behind a policy, shows it too.
    app = FastAPIOffline(
        title=f"Mien {service}",
        version=version,
        description="Facial expressions in photographs of statues and of people. "
        "An expression shown is not an emotion felt.",
        redoc_url=None,
        telemetry=dict.fromkeys(_FASTAPIS_OWN, False),
    )
    problems.install(app)
    shown = [] if guard is OPEN else [Depends(HTTPBearer(auto_error=False, description="a key"))]  # for /docs alone
    app.include_router(routes, dependencies=shown)
    probes = _probes(service, metrics, readiness)
    app.include_router(probes)
    app.add_middleware(
        _Edge,
        service=service,
        routes=[*routes.routes, *probes.routes],
        metrics=metrics,
        admission=admission,
        timeout_s=timeout_s,
        guard=guard,
        encrypted=encrypted,
    )
    if origins:
        app.add_middleware(CORSMiddleware, allow_origins=origins, allow_methods=["GET", "POST"], **_CORS)
    return app


def _probes(service: str, metrics: Metrics, readiness: Readiness) -> APIRouter:
    router = APIRouter(tags=["operation"])

    @router.get("/livez", summary="The process lives")
    async def livez() -> dict[str, str]:
        return {"status": "alive"}

    @router.get("/readyz", summary="Models are loaded and warm, and the service is not stopping")
    async def readyz() -> JSONResponse:
        checks = await readiness()
        ready = all(checks.values())
        return JSONResponse({"status": "ready" if ready else "not ready", "checks": checks}, 200 if ready else 503)

    @router.get("/metrics", summary="Prometheus metrics", response_class=Response)
    async def exposition() -> Response:
        for check, ready in (await readiness()).items():  # as it is now, whether or not anybody probes
            metrics.ready.labels(service, check).set(ready)
        return Response(metrics.exposition(), media_type=CONTENT_TYPE)

    @router.get("/", include_in_schema=False)
    async def door() -> RedirectResponse:
        return RedirectResponse("/docs")

    return router


class _Edge:
    """The outermost layer of a call: id, deadline, admission, one access line, RED metrics; nothing leaks past it."""

    def __init__(
        self,
        app: ASGIApp,
        service: str,
        routes: Sequence[BaseRoute],
        metrics: Metrics,
        admission: Admission,
        timeout_s: float,
        guard: Guard,
        encrypted: bool,
    ) -> None:
        self.app, self.service, self.routes, self.metrics = app, service, routes, metrics
        self.admission, self.timeout_s, self.guard, self.encrypted = admission, timeout_s, guard, encrypted
        self.arrivals = Arrivals(max(1, admission.limit // 2))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        headers = {key.lower(): value.decode("latin-1") for key, value in scope["headers"]}
        started, status, received, sent, departed = time.perf_counter(), 500, 0, 0, False
        in_flight = self.metrics.in_flight.labels(self.service, "rest")

        with (
            calls.answering(calls.new_id(headers.get(b"x-request-id")), self.timeout_s) as call,
            self._span(scope["path"], headers) as span,
        ):

            async def take() -> Message:
                nonlocal received, departed
                message = await receive()
                departed = departed or message["type"] == "http.disconnect"
                received += len(message.get("body", b""))
                return message

            async def answer(message: Message) -> None:
                nonlocal status, sent, departed
                sent += 0 if departed else len(message.get("body", b""))
                if message["type"] == "http.response.start":
                    status = message["status"]
                    message["headers"] = [
                        *message["headers"],
                        (b"x-request-id", call.request_id.encode()),
                        *safe_headers(scope["path"], message["headers"], self.encrypted),
                    ]
                try:
                    await send(message)
                except h11.LocalProtocolError:
                    if message["type"] != "http.response.start":
                        raise
                    # what came after the head was no HTTP: uvicorn has said so and closes
                    while (await receive())["type"] != "http.disconnect":
                        pass
                    status, departed = TABLE[Kind.CANCELLED].http, True
                    calls.note(code=Kind.CANCELLED.value)

            in_flight.inc()
            try:
                with self.arrivals.within(take) as take_in_time:
                    await self._answer(scope, take_in_time, answer, headers, call)
            except Exception as error:
                await problems.problem(failures.known(error))(scope, take, answer)
            finally:
                in_flight.dec()
                self._record(scope, call, span, status, received, sent, time.perf_counter() - started)

    def _span(self, path: str, headers: Mapping[bytes, str]) -> AbstractContextManager[spans.Span]:
        """The call's; a probe has none."""
        if not path.startswith("/v1/"):
            return spans.NOTHING
        return spans.serving("rest", {name.decode(): headers[name] for name in _TRACE if name in headers})

    async def _answer(
        self, scope: Scope, receive: Receive, send: Send, headers: Mapping[bytes, str], call: calls.Call
    ) -> None:
        try:
            if b"request-timeout" in headers:
                call.deadline = min(call.deadline, time.monotonic() + _seconds(headers[b"request-timeout"]))
            if scope["query_string"].count(b"&") >= _MOST_PARAMETERS:
                raise MienError(Kind.BAD_PARAMETER, f"A query may have at most {_MOST_PARAMETERS} parameters.")
            if not scope["path"].startswith("/v1/"):
                await self.app(scope, receive, send)  # probes and metrics must answer under load
                return
            shown = {name: headers[name.encode()] for name in HEADERS if name.encode() in headers}
            within_s = None if scope["method"] in _FREE else calls.remaining_s()
            with (
                self.guard.admitted(shown, scope_of(scope["path"])),
                self.admission.admitted(within_s=within_s) as place,
            ):
                await self.app(scope, _beginning(receive, place), _answering(send, place))
        except MienError as error:
            await problems.problem(error)(scope, receive, send)

    def _template(self, scope: Scope) -> str:
        """The route's template, never the path itself: a closed set. Also where a call was refused before its route."""
        matching = (route for route in self.routes if route.matches(scope)[0] is not Match.NONE)
        return str(getattr(scope.get("route") or next(matching, None), "path", UNMATCHED))

    def _record(
        self, scope: Scope, call: calls.Call, span: spans.Span, status: int, received: int, sent: int, seconds: float
    ) -> None:
        route = self._template(scope)
        span.rename(route)
        span.note({"service": self.service, "request_id": call.request_id, "status": status, **call.notes})
        self.metrics.requests.labels(self.service, "rest", route, str(status)).inc()
        self.metrics.request_duration.labels(self.service, "rest", route).observe(seconds)
        self.metrics.received.labels(self.service, "rest", route).inc(received)
        self.metrics.sent.labels(self.service, "rest", route).inc(sent)
        if "code" in call.notes:  # `problems` leaves it there
            kind = Kind(str(call.notes["code"]))
            self.metrics.failed(self.service, "rest", route, kind)
            span.fail(kind)
        if route.startswith("/v1/"):
            logs.access(
                request_id=call.request_id,
                service=self.service,
                transport="rest",
                method=route,
                status=status,
                seconds=round(seconds, 4),
                **call.notes,
            )


def _beginning(receive: Receive, place: Place) -> Receive:
    """Tells the place when the body is here: who sends a byte a second keeps nobody waiting."""

    async def take() -> Message:
        message = await receive()
        if message["type"] == "http.request" and not message.get("more_body"):
            place.begin()
        return message

    return take


def _answering(send: Send, place: Place) -> Send:
    async def answer(message: Message) -> None:
        if message["type"] == "http.response.start":
            place.answered = message["status"] < 300
        await send(message)

    return answer


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds < 86400:
        raise MienError(
            Kind.BAD_PARAMETER, "The header Request-Timeout must be a number of seconds.", field="Request-Timeout"
        )
    return seconds

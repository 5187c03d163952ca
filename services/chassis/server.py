"""Running services: ports, health, reflection, and an orderly end.

The end, in this order: readiness turns false and health NOT_SERVING; streams read no more, and end when what they have
read is answered; `drain_s` passes, in which balancers take this process out and single calls still come; then the
listeners close and what is in flight is finished; then backends close.
A second signal ends at once.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import os
import signal
import socket
from collections.abc import Awaitable, Callable, Generator, Sequence
from dataclasses import dataclass, field

import grpc
import uvicorn
from fastapi import FastAPI
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from services.chassis.connections import Connections, Limits
from services.chassis.tls import CIPHERS, Listening

LOG = logging.getLogger("mien.server")
_GRACE_S = 30.0  # the longest that calls in flight are waited for at the end
_ENVELOPE_BYTES = 4096  # what a stream adds to an answer that is as large as may be
_PING_MS = 60_000  # a caller whose machine is gone would hold its stream for ever
_CONNECTION_MS = 300_000  # then a caller connects anew and finds processes that were added; calls begun are finished


@dataclass(frozen=True, slots=True)
class Service:
    """One service to run: its REST application on one port, its gRPC methods on another.

    Attributes:
        name: its activity, e.g. gateway.
        rpc_names: full names of its gRPC services, for health and reflection.
        register: adds its methods to a gRPC server.
        interceptors: run around every method, the first outermost.
    """

    name: str
    rest: FastAPI
    rest_port: int
    rpc_port: int
    rpc_names: tuple[str, ...]
    register: Callable[[grpc.aio.Server], None]
    interceptors: tuple[grpc.aio.ServerInterceptor, ...]


@dataclass(frozen=True, slots=True)
class Door:
    """A REST application without gRPC beside it, on an address of its own: what only operators may reach."""

    name: str
    rest: FastAPI
    host: str
    port: int


@dataclass(slots=True)
class Lifecycle:
    """Whether this process takes calls: readiness answers from `serving`, streams end when `stopping` is set."""

    serving: bool = False
    stopping: asyncio.Event = field(default_factory=asyncio.Event)


class _Rest(uvicorn.Server):
    """uvicorn without its own signal handling: several run in one process, and the end is ours to order."""

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        yield


async def run(
    services: Sequence[Service],
    *,
    host: str,
    drain_s: float,
    max_message_bytes: int,
    limits: Limits,
    lifecycle: Lifecycle,
    start: Callable[[], Awaitable[None]],
    close: Callable[[], Awaitable[None]],
    announce: Callable[[], None],
    doors: Sequence[Door] = (),
    tls: Listening | None = None,
) -> None:
    """Serve until SIGTERM or Ctrl-C; over TLS where it is given.

    Listeners open before `start` (which loads and warms the models), so that probes can tell "starting" from "dead".

    Raises:
        OSError: a port is taken; the sentence names it.
    """
    stop = _stop_signal()
    rest_doors = [Door(service.name, service.rest, host, service.rest_port) for service in services]
    rests = [await _start_rest(door, limits, tls) for door in (*rest_doors, *doors)]
    rpcs = [await _start_rpc(service, host, max_message_bytes, limits, tls) for service in services]
    try:
        starting = asyncio.ensure_future(start())
        waiting = asyncio.ensure_future(stop.wait())
        await asyncio.wait({starting, waiting}, return_when=asyncio.FIRST_COMPLETED)
        if starting.done():
            starting.result()
            lifecycle.serving = True
            await asyncio.gather(
                *(_set_health(state, service, True) for (_, state), service in zip(rpcs, services, strict=True))
            )
            _keep_what_is_loaded()
            announce()
            await waiting
        starting.cancel()
        LOG.info("stopping")
        lifecycle.serving = False
        lifecycle.stopping.set()
        await asyncio.gather(*(state.enter_graceful_shutdown() for _, state in rpcs))
        await asyncio.sleep(drain_s)
    finally:
        lifecycle.serving = False
        for server, _ in rests:
            server.should_exit = True
        await asyncio.gather(*(task for _, task in rests), *(server.stop(_GRACE_S) for server, _ in rpcs))
        await close()
        LOG.info("stopped")


def _keep_what_is_loaded() -> None:
    """Out of the collector's sight: going through all libraries and models again takes tens of milliseconds, in which
    nobody is answered, and finds nothing."""
    gc.collect()
    gc.freeze()


def _stop_signal() -> asyncio.Event:
    stop = asyncio.Event()

    def ask() -> None:
        if stop.is_set():
            os._exit(130)
        stop.set()

    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, ask)
    return stop


async def _start_rest(door: Door, limits: Limits, tls: Listening | None = None) -> tuple[_Rest, asyncio.Task[None]]:
    connections = Connections(limits)
    config = uvicorn.Config(
        door.rest,
        host=door.host,
        port=door.port,
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=int(_GRACE_S),
        lifespan="off",
        http=connections.open,  # type: ignore[arg-type]  # a class is called like that too
        ws="none",
        ssl_certfile=tls.certificate if tls else None,
        ssl_keyfile=tls.private_key if tls else None,
        ssl_ciphers=CIPHERS,
    )
    server = _Rest(config)
    sockets = [_bind(door)]
    task = asyncio.create_task(_serve_rest(server, sockets, connections))
    while not server.started and not task.done():  # noqa: ASYNC110 (uvicorn tells it by this flag alone)
        await asyncio.sleep(0.01)
    return server, task


async def _serve_rest(server: _Rest, sockets: list[socket.socket], connections: Connections) -> None:
    sweeping = asyncio.create_task(connections.sweep(server.server_state.connections))  # type: ignore[arg-type]
    try:
        await server.serve(sockets)
    finally:
        sweeping.cancel()


def _bind(door: Door) -> socket.socket:
    family = socket.AF_INET6 if ":" in door.host else socket.AF_INET
    # named TCP, so that asyncio turns Nagle's algorithm off: else an answer waits 40 ms for an acknowledgement
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((door.host, door.port))
    except OSError as error:
        listener.close()
        raise OSError(f"{door.name}: cannot listen on {door.host}:{door.port} ({error.strerror})") from None
    return listener


def authority(host: str, port: int) -> str:
    """Both as a URL and gRPC write them: an IPv6 address in brackets."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


async def _start_rpc(
    service: Service, host: str, max_message_bytes: int, limits: Limits, tls: Listening | None = None
) -> tuple[grpc.aio.Server, health.aio.HealthServicer]:
    server = grpc.aio.server(
        interceptors=service.interceptors,
        options=[
            ("grpc.max_receive_message_length", max_message_bytes),
            ("grpc.max_send_message_length", max_message_bytes + _ENVELOPE_BYTES),
            ("grpc.server_handshake_timeout_ms", int(limits.head_s * 1000)),
            ("grpc.max_allowed_incoming_connections", limits.connections),
            ("grpc.keepalive_time_ms", _PING_MS),
            ("grpc.max_connection_age_ms", _CONNECTION_MS),
            ("grpc.so_reuseport", 0),
        ],
    )
    service.register(server)
    state = health.aio.HealthServicer()
    health_pb2_grpc.add_HealthServicer_to_server(state, server)
    reflection.enable_server_reflection((*service.rpc_names, health.SERVICE_NAME, reflection.SERVICE_NAME), server)
    try:
        address = authority(host, service.rpc_port)
        _ = server.add_secure_port(address, tls.credentials()) if tls else server.add_insecure_port(address)
    except RuntimeError:
        raise OSError(f"{service.name}: cannot listen on {host}:{service.rpc_port}") from None
    await server.start()
    await _set_health(state, service, False)
    return server, state


async def _set_health(state: health.aio.HealthServicer, service: Service, serving: bool) -> None:
    status = health_pb2.HealthCheckResponse.SERVING if serving else health_pb2.HealthCheckResponse.NOT_SERVING
    for name in ("", *service.rpc_names):
        await state.set(name, status)

"""Channels to the other services: one name, any number of processes behind it.

The name may stand for several addresses (a headless service of Kubernetes, `ipv4:10.0.0.1:50052,10.0.0.2:50052`): calls
go round all of them that say SERVING. One that stops says NOT_SERVING first (`server.run`), so it gets no more calls
while it drains, and none is lost.
"""

from __future__ import annotations

import json

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from services.chassis.tls import Calling

# gRPC's own names. Without a policy a channel stays with the first address that answers, however many there are.
_POLICY = {"loadBalancingConfig": [{"round_robin": {}}], "healthCheckConfig": {"serviceName": ""}}
_RECONNECT_MS = 1000


def policy() -> str:
    """As gRPC wants it, for other callers of several processes."""
    return json.dumps(_POLICY)


def connect(address: str, max_message_bytes: int, tls: Calling | None = None) -> grpc.aio.Channel:
    """A channel to every process behind `address`, host:port or any gRPC target; over TLS where it is given."""
    options = [
        ("grpc.max_receive_message_length", max_message_bytes),
        ("grpc.max_send_message_length", max_message_bytes),
        ("grpc.service_config", policy()),
        # gRPC's own pauses grow to two minutes: so long would a service that is back wait for its first call
        ("grpc.initial_reconnect_backoff_ms", 100),
        ("grpc.max_reconnect_backoff_ms", _RECONNECT_MS),
    ]
    if tls:
        return grpc.aio.secure_channel(address, tls.credentials(), options=options)
    return grpc.aio.insecure_channel(address, options=options)


async def serves(channel: grpc.aio.Channel) -> bool:
    """Whether a process at the other end says that it serves."""
    try:
        reply = await health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest(), timeout=1.0)
    except grpc.aio.AioRpcError:
        return False
    return bool(reply.status == health_pb2.HealthCheckResponse.SERVING)

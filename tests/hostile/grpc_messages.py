"""gRPC calls of every method with messages that are none, or not its own. The same number gives the same bytes."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from google.protobuf.descriptor import ServiceDescriptor

from mien.v1 import mien_pb2 as pb
from tests.hostile.asking import Metadata, framed
from tests.hostile.http_requests import noise
from tests.hostile.judging import Case

SERVICES = {
    "gateway": "Gateway",
    "detection": "FaceDetection",
    "classification": "ExpressionClassification",
    "generation": "ExpressionGeneration",
}
_WRONG = (
    "/mien.v1.Gateway/",
    "/mien.v1.Gateway/classify",
    "/mien.v1.Nobody/Classify",
    "/Gateway/Classify",
    "/..//",
    "/" + "a" * 4_000,
    "/grpc.health.v1.Health/Nothing",
    "/mien.v1.Gateway/Classify/",
)
_METADATA = (
    ("x-request-id", "../../etc/passwd"),
    ("x-request-id", "x" * 3_000),
    ("mien-patient", "1"),
    ("mien-patient", "maybe"),
    ("traceparent", "00-zz"),
    ("grpc-previous-rpc-attempts", "-1"),
    ("a-bin", b"\0\xff" * 500),
    ("authorization", "Bearer " + "A" * 2_000),
    ("te", "nothing"),
)
_NOISE_EVERY = 20  # so many calls to one connection that does not speak HTTP/2
_LARGE_BYTES = 1 << 20


def methods(service: str) -> list[str]:
    """Paths of all its methods."""
    described: ServiceDescriptor = pb.DESCRIPTOR.services_by_name[SERVICES[service]]
    return [f"/{described.full_name}/{method.name}" for method in described.methods]


def _varint(value: int) -> bytes:
    data = bytearray()
    while value > 0x7F:
        data.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*data, value])


def _field(number: int, kind: int, chance: random.Random) -> bytes:
    body = {
        0: _varint(chance.getrandbits(64)),
        1: chance.randbytes(8),
        2: _varint(size := chance.choice((0, 3, 40))) + chance.randbytes(size),
        3: b"",
        5: chance.randbytes(4),
    }[kind]
    return _varint(number << 3 | kind) + body


def random_bytes(chance: random.Random) -> bytes:
    """No message at all."""
    return chance.randbytes(chance.choice((0, 1, 7, 100, 5_000)))


def unknown_fields(chance: random.Random) -> bytes:
    """Fields that the message has, of any type, and fields that it has not."""
    numbers = (1, 2, 3, 4, 5, 6, 7, 10, 1_000, 536_870_911)
    return b"".join(
        _field(chance.choice(numbers), chance.choice((0, 1, 2, 3, 5)), chance) for _ in range(chance.choice((1, 4, 30)))
    )


def lying_length(chance: random.Random) -> bytes:
    """A field that promises more bytes than come."""
    return b"\x0a" + _varint(chance.choice((5, 1 << 20, 1 << 31, 1 << 40, (1 << 63) + 1))) + b"abc"


def nested(chance: random.Random) -> bytes:
    """A message in a message in a message, far deeper than is read."""
    data = b""
    for _ in range(chance.choice((10, 99, 101, 300))):
        data = b"\x12" + _varint(len(data)) + data
    return data


def no_picture(chance: random.Random) -> bytes:
    """Well formed, with garbage for the picture and odd options."""
    message = pb.GatewayGenerateRequest(
        image=chance.choice((b"", b"\xff\xd8\xff", chance.randbytes(500), b"x" * _LARGE_BYTES)),
        expression=chance.choice((0, 1, 7)),
        strength=chance.choice((float("nan"), float("inf"), -1.0, 1e38, 0.5)),
        model=chance.choice(("", "nobody", "../../etc", "m" * 10_000)),
        face=chance.choice((0, 4_294_967_295)),
        steps=chance.choice((0, 1, 33, 4_294_967_295)),
    )
    return message.SerializeToString()


def odd_items(chance: random.Random) -> bytes:
    """An item of a stream with an id, or a deadline, that is none; to a unary method, a message of another."""
    message = pb.GatewayClassifyStreamRequest(
        id=chance.choice(("", "i", "i" * 300, "\0")),
        item=pb.GatewayClassifyRequest(image=chance.choice((b"", b"GIF89a", chance.randbytes(200)))),
        deadline_s=chance.choice((0.0, float("nan"), float("inf"), -1.0, 1e-300, 1e300)),
    )
    return message.SerializeToString()


WAYS: Sequence[Callable[[random.Random], bytes]] = (
    random_bytes,
    unknown_fields,
    lying_length,
    nested,
    no_picture,
    odd_items,
)


@dataclass(frozen=True, slots=True)
class Call:
    """One call; without a path its bytes go to the service's port as they are."""

    service: str
    path: str
    case: Case
    metadata: Metadata = ()


def garbage(number: int) -> Call:
    """The call of this number."""
    chance = random.Random(f"message {number}")
    service = chance.choice(sorted(SERVICES))
    if number % _NOISE_EVERY == 0:
        return Call(service, "", Case("grpc", f"{number:05}-noise-{service}-", noise(chance)[0], finished=False))
    way = WAYS[number % len(WAYS)]
    path = chance.choice(_WRONG) if chance.random() < 0.1 else chance.choice(methods(service))
    messages = [way(chance) for _ in range(chance.choice((0, 1, 3)) if path.endswith("Stream") else 1)]
    metadata = (chance.choice(_METADATA),) if chance.random() < 0.2 else ()
    name = f"{number:05}-{way.__name__}-{service}-{path.rpartition('/')[2][:24]}"
    return Call(service, path, Case("grpc", name, framed(messages)), metadata)


def kept(case: Case) -> Call:
    """The call of a case that was written as a file: its name ends with the service and the method."""
    _, _, service, method = case.name.split("-")
    return Call(service, method and f"/mien.v1.{SERVICES[service]}/{method}", case)

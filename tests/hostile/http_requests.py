"""Requests that are no HTTP, or HTTP that nobody should send, byte for byte. The same number gives the same bytes."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence

from PIL import Image

from tests.hostile.http_pieces import HEADERS, JSON, METHODS, PARTS, PATHS, QUERIES, TYPES
from tests.hostile.judging import Case
from tests.hostile.pictures import written

_PICTURE = written(Image.new("RGB", (16, 16), (120, 90, 60)), "PNG")
_Made = tuple[bytes, bool]  # bytes, and whether that is all that the protocol wants


def _head(method: str, target: str, *lines: str) -> bytes:
    every = (f"{method} {target} HTTP/1.1", "Host: mien", "Connection: close", *lines)
    return "\r\n".join(every).encode("utf-8", "surrogateescape") + b"\r\n\r\n"


def _post(chance: random.Random, kind: str, body: bytes, *lines: str) -> bytes:
    target = chance.choice(PATHS[:3]) + (chance.choice(QUERIES) if chance.random() < 0.2 else "")
    return _head("POST", target, f"Content-Type: {kind}", f"Content-Length: {len(body)}", *lines) + body


def routes(chance: random.Random) -> _Made:
    """Any method at any address, with any query."""
    return _head(chance.choice(METHODS), chance.choice(PATHS) + chance.choice(QUERIES)), True


def headers(chance: random.Random) -> _Made:
    """Headers that lie, repeat, fold or are none."""
    lines = chance.sample(HEADERS, chance.choice((1, 1, 2, 4)))
    return _post(chance, "image/png", _PICTURE, *lines), True


def kinds(chance: random.Random) -> _Made:
    """A body that is not what its content type says."""
    body = chance.choice((*JSON, _PICTURE, b"--b\r\n\r\n--b--\r\n", chance.randbytes(300)))
    return _post(chance, chance.choice(TYPES), body), True


def documents(chance: random.Random) -> _Made:
    """JSON that is none, or not ours."""
    return _post(chance, "application/json", chance.choice(JSON)), True


def forms(chance: random.Random) -> _Made:
    """Parts without names, with too long heads, too many, or cut off; with or without the end."""
    parts = [
        b"--b\r\n" + chance.choice(PARTS) + b"\r\n\r\n" + chance.choice((_PICTURE, b"", b"NaN", b"x" * 5_000))
        for _ in range(chance.choice((0, 1, 1, 2, 5, 40)))
    ]
    body = b"\r\n".join(parts) + chance.choice((b"\r\n--b--\r\n", b"\r\n--b", b"", b"\r\n--c--\r\n"))
    return _post(chance, "multipart/form-data; boundary=b", body[: chance.choice((len(body), len(body) // 2))]), True


def chunks(chance: random.Random) -> _Made:
    """Chunked bodies whose sizes lie."""
    sizes = ("5", "0", "-1", "FFFFFFFFFFFFFFFF", "5;" + "e" * 3_000, "zz", "", "0x5", "5 ", "1" * 40)
    body = b"".join(
        chance.choice(sizes).encode() + b"\r\n" + b"hello" + chance.choice((b"\r\n", b"", b"\n"))
        for _ in range(chance.choice((1, 2, 8)))
    )
    lines = [
        "Content-Type: image/png",
        "Transfer-Encoding: " + chance.choice(("chunked", "chunked, chunked", "gzip, chunked", "x")),
    ]
    return _head("POST", "/v1/classify", *lines) + body + chance.choice((b"0\r\n\r\n", b"")), False


def lengths(chance: random.Random) -> _Made:
    """Content-Length that says more, less, two things or nothing."""
    said = chance.choice(
        (
            "0",
            "1",
            "999999999999",
            "-1",
            "+5",
            "0x10",
            "NaN",
            "1, 1",
            "٣",
            "5\r\nContent-Length: 6",
            "5\r\nTransfer-Encoding: chunked",
        )
    )
    return _head("POST", "/v1/detect", "Content-Type: image/png", f"Content-Length: {said}") + _PICTURE, False


def pipelines(chance: random.Random) -> _Made:
    """Many requests at once on one connection, a hidden one behind a body, the last one broken or not."""
    one = f"GET {chance.choice(PATHS[:10])} HTTP/1.1\r\nHost: mien\r\n\r\n".encode()
    hidden = _post(chance, "image/png", _PICTURE + one)
    return one * chance.choice((1, 5, 40)) + chance.choice((hidden, _head("GET", "/livez"), b"\0\r\n\r\n")), True


def oversized(chance: random.Random) -> _Made:
    """Heads of 100 kB, in one line or in a thousand."""
    lines = chance.choice((["X: " + "x" * 100_000], [f"X-{number}: {'x' * 90}" for number in range(1_000)]))
    target = chance.choice(("/v1/models", "/" + "a" * 100_000, "/livez?" + "a=b&" * 25_000))
    return _head("GET", target, *lines), True


def noise(chance: random.Random) -> _Made:
    """No HTTP: random bytes, other protocols, other versions, bare line ends."""
    start = chance.choice(
        (
            b"",
            b"\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03",
            b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
            b"GET / HTTP/9.9\r\n",
            b"GET /livez\r\n",
            b"\r\n" * 500,
            b"GET / HTTP/1.1\n",
            b"SSH-2.0-x\r\n",
        )
    )
    return start + chance.randbytes(chance.choice((0, 1, 20, 2_000))), False


def spoilt(chance: random.Random) -> _Made:
    """A sound request with some bytes that are others, or broken off."""
    sound = bytearray(_post(chance, "image/png", _PICTURE))
    for _ in range(chance.choice((1, 3, 10))):
        sound[chance.randrange(len(sound))] = chance.choice((0, 10, 13, 32, 58, 127, 255, chance.randrange(256)))
    return bytes(sound[: chance.choice((len(sound), chance.randrange(1, len(sound))))]), False


WAYS: Sequence[Callable[[random.Random], _Made]] = (
    routes,
    headers,
    kinds,
    documents,
    forms,
    chunks,
    lengths,
    pipelines,
    oversized,
    noise,
    spoilt,
)


def malformed(number: int) -> Case:
    """The request of this number."""
    way = WAYS[number % len(WAYS)]
    data, finished = way(random.Random(f"request {number}"))
    return Case("http", f"{number:05}-{way.__name__}", data, finished)

"""Small requests that would become large: each must be refused, at once and without growing."""

from __future__ import annotations

import gzip
import struct
import zlib
from collections.abc import Iterator
from functools import cache

from tests.hostile.judging import Case

_SIDE = 65_535


def _chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def png(width: int, height: int, rows: bytes) -> bytes:
    """A picture that promises this size; `rows` are its pixels, packed."""
    head = _chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + _chunk(b"IDAT", rows) + _chunk(b"IEND", b"")


@cache
def _zeros(count: int) -> bytes:
    """So many zeros, packed, never held all at once."""
    packer, block = zlib.compressobj(9), bytes(1 << 20)
    packed = [packer.compress(block[: min(len(block), count - done)]) for done in range(0, count, len(block))]
    return b"".join([*packed, packer.flush()])


def _request(kind: str, body: bytes, *lines: str, path: str = "/v1/classify") -> bytes:
    head = (
        f"POST {path} HTTP/1.1",
        "Host: mien",
        "Connection: close",
        f"Content-Type: {kind}",
        f"Content-Length: {len(body)}",
        *lines,
    )
    return "\r\n".join(head).encode() + b"\r\n\r\n" + body


def _form(parts: Iterator[tuple[bytes, bytes]]) -> bytes:
    head = b"--b\r\nContent-Disposition: form-data; name="
    return b"".join(head + name + b"\r\n\r\n" + data + b"\r\n" for name, data in parts) + b"--b--\r\n"


def bombs() -> Iterator[Case]:
    """Each as a whole HTTP request."""
    rows, promise = _zeros(12_000 * (12_000 * 3 + 1)), zlib.compress(bytes(1_000))
    multipart, json = "multipart/form-data; boundary=b", "application/json"
    file = b'"image"; filename="a.png"'
    many = {
        "PNG of 12,000 x 12,000, all of it": _request("image/png", png(12_000, 12_000, rows)),
        "PNG, header of 65,535 x 65,535": _request("image/png", png(_SIDE, _SIDE, promise)),
        "PNG, header of 2^31 - 1 a side": _request("image/png", png((1 << 31) - 1, (1 << 31) - 1, promise)),
        "GIF, header of 65,535 x 65,535": _request(
            "image/gif",
            b"GIF89a"
            + struct.pack("<HHBBB", _SIDE, _SIDE, 0, 0, 0)
            + b"\x2c"
            + struct.pack("<HHHHB", 0, 0, _SIDE, _SIDE, 0)
            + b"\x08\0\x3b",
        ),
        "BMP, header of 65,535 x 65,535": _request(
            "image/bmp",
            b"BM" + struct.pack("<IHHIIiiHHIIiiII", 1_000, 0, 0, 54, 40, _SIDE, _SIDE, 1, 24, 0, 0, 0, 0, 0, 0),
        ),
        "JPEG, header of 65,500 x 65,500": _request(
            "image/jpeg",
            b"\xff\xd8\xff\xc0" + struct.pack(">HBHHB", 17, 8, 65_500, 65_500, 3) + b"\1\x11\0\2\x11\0\3\x11\0\xff\xd9",
        ),
        "PNG, a comment that unpacks to 256 MB": _request(
            "image/png",
            b"\x89PNG\r\n\x1a\n"
            + _chunk(b"IHDR", struct.pack(">IIBBBBB", 8, 8, 8, 2, 0, 0, 0))
            + _chunk(b"zTXt", b"c\0\0" + _zeros(256 << 20)),
        ),
        "gzip body of 100 MB of zeros": _request(
            "image/png", gzip.compress(bytes(100 << 20), 9), "Content-Encoding: gzip"
        ),
        "deflate body of 256 MB of zeros": _request(json, _zeros(256 << 20), "Content-Encoding: deflate"),
        "form of 10,000 files": _request(multipart, _form((file, b"x") for _ in range(10_000))),
        "form of 10,000 fields": _request(multipart, _form((b'"a%d"' % number, b"x") for number in range(10_000))),
        "form with a field of 9 MB": _request(
            multipart, _form(iter([(b'"intensity"', b"9" * (9 << 20))])), path="/v1/generate"
        ),
        "JSON, a million brackets": _request(json, b"[" * 1_000_000),
        "JSON, a million objects deep": _request(json, b'{"image":' * 1_000_000),
        "JSON, a number of a million digits": _request(json, b'{"image": ' + b"9" * 1_000_000 + b"}"),
        "JSON, 300,000 members": _request(
            json,
            b'{"image": "AAAA"' + b"".join(b',"k%d":1' % number for number in range(300_000)) + b"}",
            path="/v1/generate",
        ),
        "10,000 parameters": _request(
            "image/png", b"x", path="/v1/classify?" + "&".join(f"k{number}" for number in range(10_000))
        ),
        "body of 64 MB": _request("image/png", bytes(64 << 20)),
    }
    for name, data in many.items():
        yield Case("http", name, data)

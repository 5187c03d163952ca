"""Broken pictures, each a well-formed one that was broken in one way. The same number gives the same bytes."""

from __future__ import annotations

import random
import struct
import zlib
from collections.abc import Callable, Mapping, Sequence

from tests.hostile.judging import Case

_HEAD_BYTES = 512
_SIZES = (0, 1, 255, 0x7FFF, 0x8000, 0xFFFF, 0x10000, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF)


def quarter(data: bytes, chance: random.Random) -> bytes:
    """Breaks off at a quarter, a half, three quarters, or a byte before its end."""
    return data[: chance.choice((len(data) // 4, len(data) // 2, len(data) * 3 // 4, len(data) - 1))]


def cut_off(data: bytes, chance: random.Random) -> bytes:
    """Breaks off anywhere."""
    return data[: chance.randrange(len(data))]


def flipped(data: bytes, chance: random.Random) -> bytes:
    """Some bits are others."""
    spoilt = bytearray(data)
    for _ in range(chance.choice((1, 2, 8, 64))):
        spoilt[chance.randrange(len(spoilt))] ^= 1 << chance.randrange(8)
    return bytes(spoilt)


def head_flipped(data: bytes, chance: random.Random) -> bytes:
    """Some bytes of the beginning are others, where sizes, tags and lengths stand."""
    spoilt = bytearray(data)
    for _ in range(chance.choice((1, 2, 4))):
        spoilt[chance.randrange(min(len(spoilt), _HEAD_BYTES))] = chance.choice((0, 1, 0x7F, 0x80, 0xFF))
    return bytes(spoilt)


def swapped(data: bytes, chance: random.Random) -> bytes:
    """Two pieces have changed places."""
    a, b, c, d = sorted(chance.randrange(len(data) + 1) for _ in range(4))
    return data[:a] + data[c:d] + data[b:c] + data[a:b] + data[d:]


def doubled(data: bytes, chance: random.Random) -> bytes:
    """A piece comes twice, or is missing."""
    a, b = sorted(chance.randrange(len(data) + 1) for _ in range(2))
    return data[:b] + data[a:] if chance.random() < 0.5 else data[:a] + data[b:]


def padded(data: bytes, chance: random.Random) -> bytes:
    """Noise before it, in it or behind it."""
    place = chance.choice((0, chance.randrange(len(data)), len(data)))
    return data[:place] + chance.randbytes(chance.choice((1, 100, 5_000))) + data[place:]


def lying(data: bytes, chance: random.Random) -> bytes:
    """Its header promises another size: in a PNG with a sound checksum, elsewhere at the place of a small number."""
    size = chance.choice(_SIZES)
    if data.startswith(b"\x89PNG"):
        kind, sides = bytearray(data[16:29]), chance.choice(((0,), (4,), (0, 4)))
        for side in sides:
            kind[side : side + 4] = struct.pack(">I", size)
        return data[:16] + bytes(kind) + struct.pack(">I", zlib.crc32(b"IHDR" + bytes(kind))) + data[29:]
    form = chance.choice((">H", "<H", ">I", "<I"))
    number = struct.pack(form, size & (0xFFFF if form[1] == "H" else 0xFFFFFFFF))
    place = data.find(b"\xff\xc0") + 5 if data.startswith(b"\xff\xd8") else chance.randrange(2, 64)
    return data[:place] + number + data[place + len(number) :]


WAYS: Sequence[Callable[[bytes, random.Random], bytes]] = (
    quarter,
    cut_off,
    flipped,
    head_flipped,
    swapped,
    doubled,
    padded,
    lying,
)


def mutated(number: int, sound: Mapping[str, bytes]) -> Case:
    """The picture of this number, of those in `sound`."""
    chance = random.Random(f"picture {number}")
    name, way = chance.choice(sorted(sound)), WAYS[number % len(WAYS)]
    return Case("image", f"{number:05}-{name}-{way.__name__}", way(sound[name], chance))

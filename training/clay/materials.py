"""What statues are made of and how they are lit: random draws with a name each."""

from __future__ import annotations

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from training.clay.shade import Surface

F32 = NDArray[np.float32]
MATERIALS = ("terracotta", "limestone", "marble", "bronze", "painted", "plaster", "basalt", "wood")
LIGHTS = ("museum", "pit", "daylight", "flash", "raking")
_CHANCES = (0.3, 0.16, 0.15, 0.11, 0.1, 0.07, 0.06, 0.05)
# mean colour (sRGB), how far it varies
_COLOURS = {
    "terracotta": ((0.52, 0.43, 0.36), 0.09), "limestone": ((0.70, 0.66, 0.56), 0.08),
    "marble": ((0.84, 0.82, 0.78), 0.06), "bronze": ((0.36, 0.29, 0.19), 0.09),
    "painted": ((0.60, 0.48, 0.40), 0.10), "plaster": ((0.86, 0.85, 0.83), 0.04),
    "basalt": ((0.27, 0.27, 0.27), 0.06), "wood": ((0.45, 0.32, 0.20), 0.09),
}  # fmt: skip


def surface(material: str, random: Generator) -> Surface:
    """Draw a material's surface."""
    mean, spread = _COLOURS[material]
    tone = np.clip(np.array(mean) + random.normal(0, spread) + random.normal(0, spread / 4, 3), 0.04, 0.95)
    other = np.clip(tone * random.uniform(0.72, 1.12) + random.normal(0, spread / 3, 3), 0.03, 0.95)
    if material == "bronze" and random.random() < 0.5:  # verdigris
        other = np.array((0.30, 0.42, 0.36)) * random.uniform(0.6, 1.2)
    smooth = material in ("marble", "bronze", "plaster")
    wear = random.uniform(0, 1) ** 1.5
    gloss = {"marble": 0.06, "bronze": 0.8, "wood": 0.04, "basalt": 0.05}.get(material, 0.015)
    paint = np.array(((0.75, 0.62, 0.55), (0.55, 0.2, 0.16), (0.85, 0.83, 0.78), (0.2, 0.2, 0.22)))[random.integers(4)]
    axis = random.normal(size=3)
    return Surface(
        colour=_linear(tone),
        other=_linear(other),
        mix_frequency=float(np.exp(random.uniform(np.log(0.12), np.log(1.2)))),
        grain=float(random.uniform(0.0, 0.01) if smooth else random.uniform(0.004, 0.05)),
        grain_frequency=float(random.uniform(3, 9)),
        lumps=float(random.uniform(0, 0.1) * (0.4 if smooth else 1.0)),
        lump_frequency=float(random.uniform(0.5, 1.6)),
        pits=float(wear * random.uniform(0, 0.2) * (random.random() < 0.6)),
        pit_frequency=float(random.uniform(1.0, 4.0)),
        cracks=float(wear * random.uniform(0.03, 0.15) * (random.random() < 0.35)),
        crack_frequency=float(random.uniform(0.12, 0.45)),
        chisel=float(random.uniform(0.005, 0.03) * (random.random() < (0.05 if smooth else 0.2))),
        chisel_frequency=float(random.uniform(1.0, 4.0)),
        chisel_axis=(axis / np.linalg.norm(axis)).astype(np.float32),
        dirt=float(random.uniform(0.1, 0.9)),
        paint=_linear(paint),
        painted=float(random.uniform(0.3, 0.75) if material == "painted" else 0.0),
        gloss=float(gloss * random.uniform(0.4, 1.6)),
        exponent=float(np.exp(random.uniform(np.log(8), np.log(90)))) if smooth else float(random.uniform(4, 14)),
        metal=1.0 if material == "bronze" else 0.0,
        seed=float(random.uniform(0, 500)),
    )


def draw_material(random: Generator) -> str:
    return str(MATERIALS[random.choice(len(MATERIALS), p=_CHANCES)])


def draw_light(random: Generator) -> tuple[str, F32, F32]:
    """A light's name, its sky `[1 + l, 7]` (see `shade.sky`) and its key lights `[k, 6]`: direction, colour."""
    name = str(LIGHTS[random.choice(len(LIGHTS), p=(0.36, 0.2, 0.2, 0.1, 0.14))])
    warm = random.normal(0, 0.07)
    white = np.array((1 + warm, 1.0, 1 - warm))
    ambient = {"museum": 0.3, "pit": 0.5, "daylight": 0.7, "flash": 0.2, "raking": 0.18}[name] * random.uniform(
        0.5, 1.4
    )
    up = _unit(np.array((random.normal(0, 0.3), 1.0, random.normal(0.1, 0.3))))
    below = {"pit": 0.25, "daylight": 0.35}.get(name, 0.3) * random.uniform(0.5, 2.0)
    lobes = [np.concatenate([up, [min(1.0, below)], ambient * white])]
    for _ in range(int(random.integers(0, 4))):  # windows, walls, other lamps
        strength = random.uniform(0.1, 0.9) * random.uniform(0.3, 1.0)
        tint = white * (1 + random.normal(0, 0.08, 3))
        lobes.append(np.concatenate([_around(random, 1.0), [random.uniform(2, 20)], strength * tint]))
    keys = []
    count = {
        "museum": int(random.integers(1, 4)),
        "pit": int(random.integers(0, 2)),
        "daylight": int(random.integers(0, 2)),
    }
    for number in range(count.get(name, 1)):
        if name == "flash":
            towards = _unit(np.array((random.normal(0, 0.15), random.normal(0.15, 0.15), 1.0)))
        elif name == "raking":
            towards = _unit(
                np.array(
                    (
                        random.choice((-1, 1)) * random.uniform(0.8, 1.3),
                        random.uniform(-0.2, 0.8),
                        random.uniform(-0.1, 0.5),
                    )
                )
            )
        else:
            towards = _around(random, 0.75 if number == 0 else 0.4)
        strength = random.uniform(0.4, 1.6) * (1.0 if number == 0 else 0.5)
        keys.append(np.concatenate([towards, strength * white * (1 + random.normal(0, 0.04, 3))]))
    sky = np.array(lobes, np.float32)
    return name, sky, np.array(keys, np.float32).reshape(-1, 6)


def _around(random: Generator, front: float) -> NDArray[np.float64]:
    """A direction from above and in front, more so the nearer `front` is to 1; from below now and then."""
    height = random.uniform(0.1, 1.2) if random.random() < 0.9 else random.uniform(-0.6, 0.1)
    return _unit(np.array((random.normal(0, 0.8), height, random.normal(front, 0.4))))


def _unit(v: NDArray[np.float64]) -> NDArray[np.float64]:
    return v / np.linalg.norm(v)


def _linear(srgb: NDArray[np.float64]) -> F32:
    return (np.clip(srgb, 0, 1) ** 2.2).astype(np.float32)

"""One picture of a carved head, and everything that is true of it.

`Scene` is drawn from one generator: camera, light, material, backdrop, and what the lens and the file do to it.
`photograph` renders it with a given face. Pictures of one scene differ in the face alone.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from training.clay import backdrop, materials, raster, shade
from training.clay.head import Head
from training.clay.settings import Clay

F32 = NDArray[np.float32]
U8 = NDArray[np.uint8]
# The outline reaches to the ears; face detectors end before them. With this share the eyes stand as far apart in the
# box as in YuNet's boxes of FER+ faces (.48 of the width), and as high (.37 of the height).
BOX_WIDTH = 0.885
KEY_SPREAD = 4  # small lights around each key light, for the width of its shadow


@dataclass(frozen=True, slots=True)
class Scene:
    """What a photographer and time decide.

    Attributes:
        side_px: of the square picture. face_px: about the root of the face's area in it.
        pose: (yaw, pitch, roll) degrees, see `Corpus.pose`. distance_cm: of the camera. centre: of the face in the
            picture, as shares of the side.
        surface, sky, keys: see `materials`. backdrop: `[side, side, 3]` linear.
        exposure, contrast, blur_px, noise, quality, grey: of the photograph. occluders: (x, y, half width, half height,
            angle, r, g, b), shares of the side.
        seed: of the noise.
    """

    side_px: int
    face_px: float
    pose: tuple[float, float, float]
    distance_cm: float
    centre: tuple[float, float]
    material: str
    light: str
    surface: shade.Surface
    sky: F32
    keys: F32
    backdrop: F32
    exposure: float
    contrast: float
    blur_px: float
    noise: float
    quality: int
    grey: bool
    occluders: tuple[tuple[float, ...], ...]
    seed: int


@dataclass(frozen=True, slots=True)
class Photograph:
    """A picture and its truth, see `corpus.Corpus`. `mask`: `[side, side]`, how far the statue covers each pixel."""

    image: U8
    mask: U8
    landmarks: F32
    visible: NDArray[np.bool_]
    box: F32


def draw(clay: Clay, photos: list[Path], random: Generator) -> Scene:
    """Draw a scene; `photos`: what a backdrop may be cut from."""
    face_px = float(np.exp(random.uniform(np.log(clay.smallest_px), np.log(clay.largest_px))))
    fill = random.uniform(0.42, 0.72)
    side = int(np.clip(round(face_px / fill), 40, 560))
    yaw = clay.yaw_deg * (
        random.uniform(-1, 1) if random.random() < 0.35 else float(np.clip(random.normal(0, 0.33), -1, 1))
    )
    light, sky, keys = materials.draw_light(random)
    material = materials.draw_material(random)
    occluders = []
    if random.random() < 0.1:
        around = (random.uniform(0.2, 0.8), random.uniform(0.2, 0.8))
        size = (random.uniform(0.05, 0.35), random.uniform(0.03, 0.12))
        occluders.append((*around, *size, random.uniform(0, math.pi), *random.uniform(0.01, 0.6, 3)))
    blur = random.uniform(0.0, 0.6) if random.random() < 0.75 else random.uniform(0.6, 1.6)
    return Scene(
        side_px=side,
        face_px=side * fill,
        pose=(yaw, float(np.clip(random.normal(0, 10), -30, 30)), float(np.clip(random.normal(0, 8), -30, 30))),
        distance_cm=float(np.exp(random.uniform(np.log(55), np.log(260)))),
        centre=(0.5 + float(random.normal(0, 0.04)), 0.5 + float(random.normal(0, 0.04))),
        material=material,
        light=light,
        surface=materials.surface(material, random),
        sky=sky,
        keys=keys,
        backdrop=backdrop.draw(side, photos, random),
        exposure=float(np.exp(random.normal(0, 0.3))),
        contrast=float(np.exp(random.normal(0, 0.12))),
        blur_px=float(blur * min(1.0, side / 150)),
        noise=float(random.uniform(0, 0.012) if random.random() < 0.7 else random.uniform(0.012, 0.05)),
        quality=int(random.integers(35, 96)),
        grey=bool(random.random() < 0.22),
        occluders=tuple(tuple(map(float, item)) for item in occluders),
        seed=int(random.integers(2**31)),
    )


def photograph(head: Head, face: F32, scene: Scene, clay: Clay) -> Photograph:
    """Render a head whose vertices are `face` (`Head.making`)."""
    side, fine = scene.side_px, max(1, round(scene.side_px * clay.fineness))
    view = _in_camera(head, face, scene)
    normals = raster.normals_of(view, head.triangles)
    focal = _focal(head, view, scene)
    inverse = (1 / -view[:, 2]).astype(np.float32)
    on_screen = np.stack([view[:, 0] * inverse * focal, -view[:, 1] * inverse * focal, inverse], 1)
    middle = _middle(on_screen[head.outline])
    on_screen[:, :2] += np.float32(scene.centre) * side - middle
    xyz = on_screen.copy()
    xyz[:, :2] *= fine / side
    seen, weights, near = raster.rasterise(xyz.astype(np.float32), head.triangles, fine, fine)

    towards, radiance = _sky_samples(scene, clay)
    lights = np.concatenate([towards, _key_samples(scene)]).astype(np.float32)
    visible = raster.lit(view, normals, head.triangles, lights, clay.shadow_px, 0.35)
    count = len(towards)
    received, whence, openness = shade.gather(normals, visible[:, :count], towards, radiance)
    key_light = visible[:, count:].reshape(len(view), len(scene.keys), KEY_SPREAD).mean(2)
    detail = float(-view[head.landmarks[30], 2] / focal * side / fine)
    rgba = shade.shade(
        seen, weights, head.triangles, inverse, view, head.rest, normals, received, whence, openness, head.tint,
        scene.keys, key_light.astype(np.float32), scene.sky, scene.surface.packed(), detail,
    )  # fmt: skip

    landmarks = on_screen[head.landmarks, :2].astype(np.float32)
    depth = -view[head.landmarks, 2]
    at = np.clip((landmarks * fine / side).astype(int), 0, fine - 1)
    front = 1 / np.maximum(near[at[:, 1], at[:, 0]], 1e-9)
    inside = ((landmarks >= 0) & (landmarks < side)).all(1)
    hidden = _covered(landmarks, scene)
    outline = on_screen[head.outline, :2]
    low, high = outline.min(0), outline.max(0)
    inset = np.float32([(1 - BOX_WIDTH) / 2 * (high[0] - low[0]), 0])
    low, high = low + inset, high - inset
    image, mask = _developed(rgba, scene)
    return Photograph(
        image,
        mask,
        landmarks,
        inside & (depth < front + 0.9) & ~hidden,
        np.concatenate([low, high - low]).astype(np.float32),
    )


def _in_camera(head: Head, face: F32, scene: Scene) -> F32:
    """Vertices in the camera's frame: the head turned about its middle and put before the camera."""
    yaw, pitch, roll = np.radians(scene.pose)
    turn_y = np.array([[math.cos(yaw), 0, math.sin(yaw)], [0, 1, 0], [-math.sin(yaw), 0, math.cos(yaw)]])
    turn_x = np.array([[1, 0, 0], [0, math.cos(pitch), math.sin(pitch)], [0, -math.sin(pitch), math.cos(pitch)]])
    turn_z = np.array([[math.cos(roll), math.sin(roll), 0], [-math.sin(roll), math.cos(roll), 0], [0, 0, 1]])
    pivot = np.float32([0, 0, 2])
    turned = (face - pivot) @ (turn_z @ turn_x @ turn_y).T.astype(np.float32)
    # the face, not the pivot, stands before the lens, so that perspective is centred on it
    middle = turned[head.landmarks].mean(0)
    return (turned - middle * np.float32([1, 1, 0]) - np.float32([0, 0, scene.distance_cm])).astype(np.float32)


def _focal(head: Head, view: F32, scene: Scene) -> float:
    """Focal length in pixels at which the face has its size."""
    points = view[head.outline]
    flat = points[:, :2] / -points[:, 2:]
    return float(scene.face_px / math.sqrt(float(np.prod(flat.max(0) - flat.min(0)))))


def _middle(points: F32) -> F32:
    return ((points[:, :2].min(0) + points[:, :2].max(0)) / 2).astype(np.float32)


def _sky_samples(scene: Scene, clay: Clay) -> tuple[F32, F32]:
    """Directions spread evenly over the sphere (Fibonacci), and the sky's radiance there."""
    count = clay.sky_lights
    at = np.arange(count) + 0.5
    height, angle = 1 - 2 * at / count, np.pi * (1 + 5**0.5) * at
    flat = np.sqrt(1 - height**2)
    towards = np.stack([flat * np.cos(angle), height, flat * np.sin(angle)], 1).astype(np.float32)
    return towards, np.array([shade.sky(direction, scene.sky) for direction in towards], np.float32)


def _key_samples(scene: Scene) -> F32:
    """Each key light as a few small ones around it."""
    random = np.random.default_rng(scene.seed)
    found = []
    for key in scene.keys:
        width = random.uniform(0.02, 0.2)
        jittered = key[:3] + random.normal(0, width, (KEY_SPREAD, 3))
        found.append(jittered / np.linalg.norm(jittered, axis=1, keepdims=True))
    return np.concatenate(found).astype(np.float32) if found else np.zeros((0, 3), np.float32)


def _developed(rgba: F32, scene: Scene) -> tuple[U8, U8]:
    """Composed, exposed, blurred, noisy: as a camera would deliver it."""
    side = scene.side_px
    random = np.random.default_rng(scene.seed + 1)
    small = cv2.resize(rgba, (side, side), interpolation=cv2.INTER_AREA)
    cover = small[..., 3:]
    level = float(np.quantile(small[..., :3][small[..., 3] > 0.9], 0.9)) if (small[..., 3] > 0.9).any() else 0.5
    # The camera meters on the statue, but does not make dark stone as light as marble.
    albedo = float(scene.surface.colour.mean())
    statue = small[..., :3] * np.float32(0.65 * min(1.0, 0.25 + 1.5 * albedo) / max(0.05, level))
    image = statue + scene.backdrop * (1 - cover)
    mask = cover[..., 0]
    for x, y, half_x, half_y, angle, *colour in scene.occluders:
        shape = np.zeros((side, side), np.uint8)
        corners = cv2.boxPoints(((x * side, y * side), (2 * half_x * side, 2 * half_y * side), math.degrees(angle)))
        cv2.fillPoly(shape, [corners.astype(np.int32)], 255)
        over = (cv2.GaussianBlur(shape, (0, 0), 0.8) / 255).astype(np.float32)
        image = image * (1 - over[..., None]) + over[..., None] * np.float32(colour)
        mask = mask * (1 - over)
    image = np.clip(image * scene.exposure, 0, None)
    image = image / (1 + 0.25 * image)  # a soft shoulder instead of clipped lights
    if scene.blur_px > 0.05:
        image = cv2.GaussianBlur(image, (0, 0), scene.blur_px)
    image = np.clip(image, 0, 1.2) ** np.float32(1 / 2.2)
    image = (image - 0.45) * scene.contrast + 0.45
    if scene.grey:
        image = np.repeat((image @ np.float32([0.299, 0.587, 0.114]))[..., None], 3, 2)
    grain = random.normal(0, 1, (side, side, 1)) * 0.7 + random.normal(0, 1, (side, side, 1 if scene.grey else 3)) * 0.5
    image = image + scene.noise * grain.astype(np.float32)
    return (np.clip(image, 0, 1) * 255 + 0.5).astype(np.uint8), (np.clip(mask, 0, 1) * 255 + 0.5).astype(np.uint8)


def _covered(points: F32, scene: Scene) -> NDArray[np.bool_]:
    """Whether something stands before each point of the picture."""
    hidden = np.zeros(len(points), bool)
    for x, y, half_x, half_y, angle, *_ in scene.occluders:
        d = points / scene.side_px - np.float32([x, y])
        along, across = d @ [math.cos(angle), math.sin(angle)], d @ [-math.sin(angle), math.cos(angle)]
        hidden |= (np.abs(along) < half_x) & (np.abs(across) < half_y)
    return hidden

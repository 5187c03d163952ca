"""ICT-FaceKit, the head model under most rendered heads, read in either of two forms.

ICT-FaceKit Light (Li et al., "Learning Formation of Physically-Based Face Attributes", CVPR 2020) is MIT-licensed and
not part of Mien. Get it from its origin, https://github.com/ICT-VGL/ICT-FaceKit, and name its folder `FaceXModel`
(a neutral mesh, `identity000.obj` …, an `.obj` per expression, `vertex_indices.json`), or one packed file `.npz` with
`neutral` [v, 3] cm, `expr` [e, v, 3] and `identity` [i, v, 3] offsets, `expr_names`, `tri` [t, 3], `tri_material`,
`material_names` and `landmarks68`.

y points up, z out of the face, x to the person's left; centimetres.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from training.clay.head_model import F32, PARTS, HeadModel

KIND = "ict"
KEPT = {
    "M_Face": "face", "M_BackHead": "back", "M_GumsTongue": "mouth", "M_Teeth": "teeth",
    "M_ScleraLeft": "eye", "M_ScleraRight": "eye", "M_IrisLeft": "iris", "M_IrisRight": "iris",
}  # fmt: skip
HELP = "get ICT-FaceKit (https://github.com/ICT-VGL/ICT-FaceKit) and name its folder FaceXModel, or a packed .npz"


def read(path: Path) -> HeadModel:
    """Read the packed file or the original folder.

    Raises:
        FileNotFoundError: the folder lacks a file; says where to get it.
        ValueError: it is not ICT-FaceKit.
    """
    if path.is_dir() and (path / "ict_facekit.npz").exists():
        path = path / "ict_facekit.npz"
    if path.is_dir():
        return _without_unused(*_read_folder(path))
    with np.load(path, allow_pickle=False) as held:
        missing = {"neutral", "expr", "expr_names", "identity", "tri", "tri_material", "landmarks68"} - set(held)
        if missing:
            raise ValueError(f"{path} lacks {', '.join(sorted(missing))}: {HELP}")
        names = [str(name) for name in held["expr_names"]]
        offsets = held["expr"].astype(np.float32)
        materials = [str(name) for name in held["material_names"]]
        return _without_unused(
            held["neutral"].astype(np.float32),
            held["identity"].astype(np.float32),
            dict(zip(names, offsets, strict=True)),
            held["tri"].astype(np.int64),
            [materials[number] for number in held["tri_material"]],
            held["landmarks68"].astype(np.int64),
        )


def _without_unused(
    neutral: F32,
    identity: F32,
    expressions: dict[str, F32],
    triangles: NDArray[np.int64],
    materials: list[str],
    landmarks: NDArray[np.int64],
) -> HeadModel:
    """Only the kept materials' triangles, and the vertices that they or the landmarks use."""
    number = {name: PARTS.index(part) for name, part in KEPT.items()}
    of_triangle = np.array([number.get(name, -1) for name in materials])
    triangles, of_triangle = triangles[of_triangle >= 0], of_triangle[of_triangle >= 0]
    used = np.unique(np.concatenate([triangles.ravel(), landmarks]))
    new = np.full(len(neutral), -1, np.int64)
    new[used] = np.arange(len(used))
    part = np.zeros(len(neutral), np.int8)
    for value in range(len(PARTS)):  # a seam's vertices belong to the later part
        part[triangles[of_triangle == value].ravel()] = value
    return HeadModel(
        KIND,
        neutral[used],
        identity[:, used],
        {name: offset[used] for name, offset in expressions.items()},
        new[triangles].astype(np.int32),
        part[used],
        new[landmarks],
    )


def _read_folder(folder: Path) -> tuple[F32, F32, dict[str, F32], NDArray[np.int64], list[str], NDArray[np.int64]]:
    base = folder / "generic_neutral_mesh.obj"
    if not base.exists() or not (folder / "vertex_indices.json").exists():
        raise FileNotFoundError(f"no generic_neutral_mesh.obj and vertex_indices.json in {folder}: {HELP}")
    indices = json.loads((folder / "vertex_indices.json").read_text())
    landmarks = next((value for value in indices.values() if isinstance(value, list) and len(value) == 68), None)
    if landmarks is None:
        raise ValueError(f"{folder / 'vertex_indices.json'} names no 68 landmarks: {HELP}")
    neutral, triangles, materials = _read_obj(base)
    shapes = {path.stem: _read_obj(path)[0] - neutral for path in sorted(folder.glob("*.obj")) if path != base}
    identity = np.stack([shape for name, shape in shapes.items() if name.startswith("identity")])
    expressions = {name: shape for name, shape in shapes.items() if not name.startswith("identity")}
    return neutral, identity, expressions, triangles, materials, np.array(landmarks, np.int64)


def _read_obj(path: Path) -> tuple[F32, NDArray[np.int64], list[str]]:
    """Vertices, triangles (a quad becomes two) and the material of each triangle."""
    vertices: list[list[float]] = []
    triangles: list[tuple[int, int, int]] = []
    materials: list[str] = []
    material = ""
    with path.open() as file:
        for line in file:
            kind, _, rest = line.partition(" ")
            if kind == "v":
                vertices.append([float(value) for value in rest.split()[:3]])
            elif kind == "usemtl":
                material = rest.strip()
            elif kind == "f":
                corners = [int(corner.split("/")[0]) - 1 for corner in rest.split()]
                for at in range(1, len(corners) - 1):
                    triangles.append((corners[0], corners[at], corners[at + 1]))
                    materials.append(material)
    return np.array(vertices, np.float32), np.array(triangles, np.int64), materials

"""What framing and colour cost: labelled faces through the running stack, against the same faces classified directly.

    python -m tests.load.served_accuracy --data ../shared/data/ferplus --backgrounds ../shared/data/backgrounds \
        [--yunet FILE] [--write docs/framing.md]

FER+ validation faces are put into larger pictures at several sizes and posted to the real `mien serve all`, which
must find and cut them; *directly* means the same faces posted whole (`detect=false`). Both accuracies are over the
faces that were found. Colour: the same faces whole, tinted as photos and bronzes are.
"""

from __future__ import annotations

import argparse
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from mien.client import Client
from mien.v1 import mien_pb2 as pb
from services.domain import EXPRESSIONS, RGB, Square
from tests.load import page
from tests.load.framing import backgrounds_without_faces, paste
from tests.stack import running
from training.data import ferplus
from training.data.faces import FaceTable

SIDES_PX = (64, 96, 128, 192, 320)
TINTS = {
    "grey": (1.0, 1.0, 1.0),
    "skin": (1.25, 1.0, 0.82),
    "terracotta": (1.35, 0.95, 0.65),
    "patina": (0.8, 1.08, 0.95),
}


@dataclass(frozen=True, slots=True)
class Row:
    """One size: of `tried` faces `found` were found; of these so many were right through the stack, and directly."""

    side_px: int
    tried: int
    found: int
    served: int
    direct: int


def near(face: pb.ClassifiedFace, true: Square) -> float:
    """Overlap (intersection over union) of a found box with the square that was put in."""
    box, half = face.face.box, true.side / 2
    across = min(box.x + box.width, true.centre_x + half) - max(box.x, true.centre_x - half)
    down = min(box.y + box.height, true.centre_y + half) - max(box.y, true.centre_y - half)
    shared = max(0.0, across) * max(0.0, down)
    return float(shared / (box.width * box.height + true.side**2 - shared))


def answer(face: pb.ClassifiedFace) -> int:
    """The class that was answered, in the order of `EXPRESSIONS`."""
    return int(np.argmax([getattr(face.probabilities, name) for name in EXPRESSIONS]))


def png(image: RGB) -> bytes:
    """The picture as a lossless file's bytes."""
    return cv2.imencode(".png", cv2.cvtColor(image, cv2.COLOR_RGB2BGR))[1].tobytes()


def tinted(face: NDArray[np.uint8], gains: tuple[float, float, float]) -> RGB:
    """A grey face `[48, 48]` in colour; bright parts clip, as they do in a photo."""
    return np.clip(face[..., None] * np.array(gains), 0, 255).astype(np.uint8)


def measure_sizes(client: Client, faces: FaceTable, backgrounds: list[RGB], each: int, seed: int) -> list[Row]:
    """A row for each size, `each` faces in it."""
    rng = np.random.default_rng(seed)
    rows = []
    for side_px in SIDES_PX:
        chosen = rng.choice(len(faces), each, replace=False)
        pictures = [
            paste(faces.faces[row], backgrounds[k % len(backgrounds)], side_px, rng) for k, row in enumerate(chosen)
        ]

        def ask(pair: tuple[np.intp, tuple[RGB, Square]]) -> tuple[bool, bool, bool]:
            row, (picture, true) = pair
            found = [face for face in client.classify(png(picture)).faces if near(face, true) > 0.25]
            if not found:
                return False, False, False
            whole = client.classify(png(tinted(faces.faces[row], TINTS["grey"])), whole_picture=True).faces[0]
            label = int(faces.labels[row])
            return True, answer(max(found, key=lambda face: near(face, true))) == label, answer(whole) == label

        with ThreadPoolExecutor(4) as pool:
            results = np.array(list(pool.map(ask, zip(chosen, pictures, strict=True))))
        rows.append(Row(side_px, each, *(int(count) for count in results.sum(0))))
    return rows


def measure_colours(client: Client, faces: FaceTable, each: int, seed: int) -> dict[str, float]:
    """Accuracy of the same faces, whole, in each tint."""
    chosen = np.random.default_rng(seed).choice(len(faces), each, replace=False)
    accuracy = {}
    for name, gains in TINTS.items():
        pictures = [png(tinted(faces.faces[row], gains)) for row in chosen]
        with ThreadPoolExecutor(4) as pool:
            replies = list(pool.map(lambda picture: client.classify(picture, whole_picture=True), pictures))
        right = [answer(reply.faces[0]) == faces.labels[row] for reply, row in zip(replies, chosen, strict=True)]
        accuracy[name] = float(np.mean(right))
    return accuracy


def report(rows: list[Row], colours: dict[str, float], finder: str) -> str:
    """The result as Markdown."""
    lines = [
        f"Faces found by {finder}.",
        "",
        "| face in the picture | tried | found | accuracy through the stack | directly | difference, points |",
        "|---|---|---|---|---|---|",
    ]
    total = Row(0, *(sum(getattr(row, name) for row in rows) for name in ("tried", "found", "served", "direct")))
    for row in [*rows, total]:
        name = f"{row.side_px} px" if row.side_px else "**all**"
        found = max(row.found, 1)
        served, direct = row.served / found, row.direct / found
        points = (served - direct) * 100
        lines.append(
            f"| {name} | {row.tried} | {row.found / row.tried:.1%} | {served:.1%} | {direct:.1%} | {points:+.1f} |"
        )
    lines += ["", "| colour | accuracy, whole faces |", "|---|---|"]
    lines += [f"| {name} | {share:.1%} |" for name, share in colours.items()]
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description="What framing and colour cost.")
    parser.add_argument("--data", type=Path, required=True, help="the FER+ folder")
    parser.add_argument("--backgrounds", type=Path, required=True, help="a folder of pictures")
    parser.add_argument("--yunet", type=Path, help="let the stack find faces with YuNet from this file")
    parser.add_argument("--faces", type=int, default=300, help="faces for each size and colour")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--write", type=Path, help="put the result between this file's markers")
    options = parser.parse_args()
    validation = ferplus.read(options.data).validation
    rng = np.random.default_rng(options.seed)
    backgrounds = backgrounds_without_faces(options.backgrounds, 100, rng)
    settings = {"yunet_model": options.yunet} if options.yunet else {}
    with running("all", **settings) as stack, Client(stack.address()) as client:
        rows = measure_sizes(client, validation, backgrounds, options.faces, options.seed)
        colours = measure_colours(client, validation, options.faces, options.seed)
    text = report(rows, colours, "YuNet" if options.yunet else "the repository's face_detector")
    page.publish(text, "yunet" if options.yunet else "network", options.write)


if __name__ == "__main__":
    main()

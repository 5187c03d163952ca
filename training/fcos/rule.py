"""Which finds are faces: what numbers the rule should have, told by pictures that the detector was not trained on.

    python -m training.fcos.rule training/configs/face_detector_fifth.toml [--model FILE]

A find counts if score + weight x quality reaches a sum (`finding.confirmed`). For each weight, the sum at which the
faces found in the held-out photos outnumber the false finds there by most, among those at which the held-out
backgrounds have no more false finds than the teacher has there; of equally good sums the highest. The statue and people
photos, on which the detector is judged, have no say.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rich.console import Console

from training import gate
from training.config import Config, load
from training.fcos import evaluate, finding, networks, teacher
from training.fcos.evaluate import Album
from training.fcos.method import of_network, open_network
from training.fcos.scores import Judged, judge

WEIGHTS = (0.0, 0.3, 0.5, 0.7, 1.0)
SUMS = tuple(round(0.3 + 0.01 * step, 2) for step in range(120))

Rows = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Look:
    """Finds in one picture, `[n, 15]` as of `finding.find`, and the landmarker's quality of each, `[n]`."""

    rows: Rows
    quality: NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Choice:
    """What a weight and a sum give on the held-out photos and backgrounds; `gain`: faces found less false finds."""

    weight: float
    least: float
    gain: int
    recall: float
    false_per_photo: float
    false_on_backgrounds: int


def best(
    photos: tuple[Album, Sequence[Look]], backgrounds: tuple[Album, Sequence[Look]], weight: float, false_allowed: int
) -> Choice | None:
    """See above; None if no sum keeps the backgrounds clean enough."""
    seen, empty = (_judged(album, looks, weight) for album, looks in (photos, backgrounds))
    found: list[Choice] = []
    for least in SUMS:
        false = round(empty.false_per_picture(least) * empty.pictures)
        if false <= false_allowed:
            recall, beside = seen.recall(least) or 0.0, seen.false_per_picture(least)
            gain = round(recall * seen.faces) - round(beside * seen.pictures)
            found.append(Choice(weight, least, gain, recall, beside, false))
    return max(found, key=lambda each: (each.gain, each.least), default=None)


def _judged(album: Album, looks: Sequence[Look], weight: float) -> Judged:
    found = []
    for look in looks:
        sums = look.rows[:, 14] + weight * look.quality
        doubted = look.rows[:, 14] >= finding.MIN_DOUBTED_SCORE
        found.append(np.hstack([look.rows[:, :14], np.where(doubted, sums, 0.0)[:, None]]))
    true = [rows[rows[:, -1] >= teacher.SURE, :4] for rows in album.taught]
    silent = [rows[rows[:, -1] < teacher.SURE, :4] for rows in album.taught]
    return judge(found, true, silent)


def look(function: finding.Function, landmarker: finding.Function, picture: NDArray[np.uint8]) -> Look:
    """What the detector finds in a picture, and what the landmarker thinks of it."""
    rows = finding.find(function, picture, finding.MIN_DOUBTED_SCORE)
    return Look(rows, finding.qualities(rows, picture, landmarker))


def chosen(config: Config, model: Path | None) -> str:
    """What each weight comes to, as Markdown; `model` None: of the run's best epoch.

    Raises:
        FileNotFoundError: no run, file, landmarker, teacher, or backgrounds with `yunet_faces.json`.
    """
    folder, eye = Path("runs") / config.name, Path(config.scenes.landmarker).expanduser()
    for file in (eye, *([model] if model else [])):
        if not file.is_file():
            raise FileNotFoundError(f"no model at {file}: export one first (mien export CONFIG)")
    function = gate.of_file(model) if model else of_network(networks.served(open_network(folder)[0]))
    second = gate.of_file(eye)
    albums = {album.name: album for album in evaluate.albums(config.scenes)}
    if "held-out photos" not in albums:
        raise FileNotFoundError(
            f"no yunet_faces.json in {config.scenes.backgrounds or 'backgrounds'}: name such a folder"
        )
    photos, backgrounds = albums["held-out photos"], albums["held-out backgrounds"]
    yardstick = evaluate.measure(backgrounds, "YuNet", teacher.yunet(Path(config.scenes.teacher)), teacher.SURE)
    allowed = round(yardstick.false_per_picture * yardstick.pictures)
    see = partial(look, function, second)
    looks = [[see(picture) for picture in album.pictures] for album in (photos, backgrounds)]
    lines = [
        f"At most {allowed} false finds in {yardstick.pictures} backgrounds, as YuNet's:",
        "",
        "| weight | sum | faces less false | recall | false a photo | false on backgrounds |",
        "|---|---|---|---|---|---|",
    ]
    for weight in WEIGHTS:
        if choice := best((photos, looks[0]), (backgrounds, looks[1]), weight, allowed):
            lines.append(
                f"| {weight:g} | {choice.least:.2f} | {choice.gain} | {100 * choice.recall:.1f} % | "
                f"{choice.false_per_photo:.3f} | {choice.false_on_backgrounds} |"
            )
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description="Which finds are faces, told by held-out pictures.")
    parser.add_argument("config", type=Path, help="of a detector")
    parser.add_argument("--model", type=Path, help="an exported file instead of the run's best epoch")
    options = parser.parse_args()
    try:
        told = chosen(load(options.config), options.model)
    except (FileNotFoundError, ValueError) as error:
        parser.error(str(error))
    Console().print(told, markup=False, soft_wrap=True)


if __name__ == "__main__":
    main()

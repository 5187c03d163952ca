"""Hostile input of every sort against the whole process: pictures, HTTP, gRPC, bombs.

    python -m tests.load.hostile [--images 2000] [--http 10000] [--grpc 5000] [--cases DIR] [--into docs/reliability.md]

Ends with 1 where a promise is missed: no 5xx but 503, no hang, no leak of text, memory that grows by less than
`MOST_MIB` after the warm-up, and a photo that is read to the same bits before and after. All of it is the same each
time; `--cases` keeps what was answered wrongly, as files to put into `tests/hostile/cases`.
"""

from __future__ import annotations

import argparse
import statistics
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx

from tests.conftest import statue
from tests.hostile import asking, attacks, described, pictures
from tests.hostile.bombs import bombs
from tests.hostile.judging import Case, Ledger, weighing
from tests.load import page
from tests.stack import Stack, running

MOST_MIB = 50.0
_BOX_PX = 4.0  # the faces of a JPEG that was stored turned: its blocks lie elsewhere
_SIDE_PX = 96
_TIMES = 5
_DESCRIBED_SHARE = 0.4
_SERVICES = ("gateway", "detection", "classification", "generation")
_WARM = 200


def sound() -> dict[str, bytes]:
    """Every picture that must be read, small: the attacks are made of them."""
    photo = statue(0).resize((_SIDE_PX, _SIDE_PX))
    return pictures.variants(photo) | pictures.polyglots(photo)


def read_all(stack: Stack, named: dict[str, bytes]) -> dict[str, str]:
    """The status of each as a single photo."""
    with httpx.Client() as client:
        url = f"{stack.url()}/v1/classify"
        return {
            name: asking.send_picture(client, url, Case("image", name, data)).status for name, data in named.items()
        }


def turned_px(stack: Stack) -> float:
    """The farthest that a side of a face's box is from where it is upright, over EXIF 1 to 8, in JPEG and PNG.

    Raises:
        RuntimeError: another number of faces, or another expression.
    """
    farthest = 0.0
    for number in range(2):
        for form in ("JPEG", "PNG"):
            answers: list[Any] = [
                attacks.answer_of(stack, data)["faces"] for data in pictures.turned(statue(number), form)
            ]
            for faces in answers[1:]:
                if [face["expression"] for face in faces] != [face["expression"] for face in answers[0]]:
                    raise RuntimeError(f"statue {number}: EXIF's orientation changes what is read")
                for one, other in zip(faces, answers[0], strict=True):
                    farthest = max(farthest, *(abs(one["box"][side] - other["box"][side]) for side in one["box"]))
    return farthest


def explode(stack: Stack, ledger: Ledger) -> list[tuple[str, str]]:
    """Each bomb some times, one after the other; a row for each."""
    rows = []
    for case in bombs():
        with weighing(stack.process.pid, 0.005) as memory:
            answers = [asking.send_bytes(stack.url(), case) for _ in range(_TIMES)]
        for answer in answers:
            ledger.enter(case, answer)
            if not answer.status.startswith("4"):
                ledger.faults.append(f"{case.name}: not refused but {answer.status}")
        middle_ms = statistics.median(answer.seconds for answer in answers) * 1000
        told = f"{answers[0].status} in {middle_ms:.0f} ms, memory +{memory.most - memory.start:.1f} MiB at most"
        rows.append((f"{case.name} ({len(case.data) / 1000:,.0f} kB)", told))
    return rows


def measure(stack: Stack, options: argparse.Namespace) -> tuple[str, list[str]]:
    """The table, and what was missed."""
    good, made = pictures.written(statue(0), "JPEG"), sound()
    before, missed = attacks.answer_of(stack, good), []
    wrong = {name: status for name, status in read_all(stack, made).items() if status != "200"}
    missed += [f"{name} was not read but answered {status}" for name, status in wrong.items()]
    refused = read_all(stack, pictures.foreign(statue(0)))
    missed += [f"{name} was not refused but answered {status}" for name, status in refused.items() if status < "400"]
    away_px = turned_px(stack)
    if away_px > _BOX_PX:
        missed.append(f"EXIF's orientations move a face by {away_px:.1f} px")
    page.say("warming up")
    attacks.send_pictures(stack, attacks.broken_pictures(min(_WARM, options.images), made), Ledger())
    attacks.send_requests(stack, attacks.broken_requests(min(_WARM, options.http)), Ledger())
    attacks.send_calls(stack, attacks.broken_calls(min(_WARM, options.grpc)), Ledger())

    from_openapi = int(options.http * _DESCRIBED_SHARE)
    rows = [
        (f"{len(made)} sound pictures of every format", f"{len(made) - len(wrong)} read"),
        ("EXIF 1–8: the same faces and expressions", f"boxes at most {away_px:.1f} px apart"),
        (f"{len(refused)} files of other formats", "all refused" if min(refused.values()) >= "400" else "**not all**"),
    ]
    bombed: list[tuple[str, str]] = []
    sent: list[int] = []  # of each part; the OpenAPI does not give as many as one likes
    parts: dict[str, Callable[[Ledger], object]] = {
        "mutated pictures": lambda ledger: attacks.send_pictures(
            stack, attacks.broken_pictures(options.images, made), ledger
        ),
        "requests made of the OpenAPI": lambda ledger: described.ask_all(
            [stack.url(name) for name in _SERVICES], from_openapi, ledger
        ),
        "malformed HTTP requests": lambda ledger: attacks.send_requests(
            stack, attacks.broken_requests(options.http - sent[-1]), ledger
        ),
        "garbage gRPC calls": lambda ledger: attacks.send_calls(stack, attacks.broken_calls(options.grpc), ledger),
        "bombs": lambda ledger: bombed.extend(explode(stack, ledger)),
    }
    with weighing(stack.process.pid) as memory:
        for name, attack in parts.items():
            page.say(name)
            ledger = Ledger(options.cases)
            attack(ledger)
            missed += ledger.faults
            told = f"{ledger.told()}; the slowest {ledger.longest_s:.1f} s"
            rows.append((f"{ledger.statuses.total():,} {name}", told))
            sent.append(ledger.statuses.total())
    rows += bombed
    same = attacks.answer_of(stack, good) == before
    defects = stack.log.read_text().count("Traceback (most recent call last)")
    missed += [] if same else ["a photo is not read as before"]
    missed += [f"{defects} tracebacks in the log"] if defects else []
    if memory.growth() >= MOST_MIB:
        missed.append(f"memory grew by {memory.growth():.0f} MiB")
    rows += [
        ("memory over all of it, after the warm-up", f"{memory.start:.0f} → {memory.end:.0f} MiB"),
        ("a photo, before and after", "the same bits" if same else "**other bits**"),
        ("5xx but 503, hangs, leaks, tracebacks in the log", f"**{len(missed)}**" if missed else "none"),
    ]
    return f"{page.machine()}:\n\n{page.table(rows)}", missed


def main() -> None:
    parser = argparse.ArgumentParser(description="Hostile input of every sort against the whole process.")
    for name, usual in (("images", 2_000), ("http", 10_000), ("grpc", 5_000)):
        parser.add_argument(f"--{name}", type=int, default=usual, help=f"({usual})")
    parser.add_argument("--cases", type=Path, help="a folder for what is answered wrongly")
    parser.add_argument("--into", type=Path, help="put the result between this page's markers")
    options = parser.parse_args()
    with running("all", ready_within_s=240, head_timeout_s=3, log_format="json") as stack:
        text, missed = measure(stack, options)
    page.publish(text, "hostile", options.into)
    for fault in missed:
        page.say(fault)
    sys.exit(bool(missed))


if __name__ == "__main__":
    main()

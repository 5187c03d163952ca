"""What a run was asked, on disk beside its parts, so that only the same question goes on with them."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from mien.batch.models import Model, changed_model
from mien.batch.refusals import FRESH, RefusalError
from mien.batch.sources import Photo
from mien.files import replaced


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """All that an answer depends on, and the inputs: how many, and a hash of their ids, sizes and times."""

    model: str
    whole_picture: bool
    answered_by: Mapping[str, str | int]
    images: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Places:
    """Where a run keeps its things.

    Attributes:
        target: the table.
        parts: the folder of what is done so far; its lock is the run's.
        last: the fingerprint of the run that wrote `target`.
    """

    target: Path

    @property
    def parts(self) -> Path:
        return self.target.with_name(f"{self.target.name}.parts")

    @property
    def run(self) -> Path:
        return self.parts / "run.json"

    @property
    def last(self) -> Path:
        return self.target.with_name(f"{self.target.name}.run.json")


def hash_of(photos: Iterable[Photo]) -> str:
    """Of ids, sizes and times, in the listing's order."""
    digest = hashlib.sha256()
    for photo in photos:
        digest.update(f"{photo.id}\0{photo.size_bytes}\0{photo.mtime_ns}\n".encode())
    return digest.hexdigest()


def fingerprint(model: str, whole_picture: bool, answered_by: Model, photos: list[Photo]) -> Fingerprint:
    return Fingerprint(model, whole_picture, asdict(answered_by), len(photos), hash_of(photos))


def read(path: Path) -> Fingerprint | None:
    """What was written there, or None where nothing was."""
    try:
        return Fingerprint(**json.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError:
        return None
    except (ValueError, TypeError):
        raise RefusalError(f"{path} is damaged or from another release: {FRESH}") from None


def write(path: Path, entry: Fingerprint) -> None:
    with replaced(path) as aside:
        aside.write_text(json.dumps(asdict(entry), indent=1) + "\n", encoding="utf-8")


def check_same(earlier: Fingerprint, now: Fingerprint) -> None:
    """That answers of both may stand in one table.

    Raises:
        RefusalError: naming what is another.
    """
    if earlier.answered_by != now.answered_by:
        raise changed_model(Model(**earlier.answered_by), Model(**now.answered_by))  # type: ignore[arg-type]
    check_parameters(earlier, now.model, now.whole_picture)


def check_parameters(earlier: Fingerprint, model: str, whole_picture: bool) -> None:
    """As `check_same`, where no gateway has been asked yet."""
    for name, before, after in (
        ("--model", earlier.model, model),
        ("--whole-picture", earlier.whole_picture, whole_picture),
    ):
        if before != after:
            raise RefusalError(f"{name} was {before!r} before and is {after!r} now: ask as before, or {FRESH}")


def check_stamps(stamps: Iterable[tuple[str, tuple[int, int]]], photos: Iterable[Photo]) -> set[str]:
    """The ids that have their answer; each must still be the file that was read.

    Raises:
        RefusalError: naming the first that is not.
    """
    now = {photo.id: (photo.size_bytes, photo.mtime_ns) for photo in photos}
    done = set()
    for name, stamp in stamps:
        if name not in now:
            raise RefusalError(f"{name} has its answer in the results and is no longer there: put it back, or {FRESH}")
        if now[name] != stamp:
            raise RefusalError(f"{name} has changed since it was read for the results: {FRESH}")
        done.add(name)
    return done


@contextmanager
def locked(places: Places) -> Iterator[None]:
    """Hold the parts' folder, made where it is missing; an empty one goes again at the end.

    Raises:
        RefusalError: another run holds it, or the target's folder is not there or may not be written.
    """
    try:
        places.parts.mkdir(exist_ok=True)
        descriptor = os.open(places.parts, os.O_RDONLY)
    except OSError as error:
        raise RefusalError(f"cannot write beside {places.target}: {error.strerror}") from None
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise RefusalError(f"another run is writing {places.target}") from None
        if not _is_still(places.parts, descriptor):
            raise RefusalError(f"another run has just finished {places.target}: ask once more")
        try:
            yield
        finally:
            if not any(places.parts.iterdir()):
                places.parts.rmdir()
    finally:
        os.close(descriptor)


def forget(places: Places) -> None:
    """Remove the results so far; the table stays until another takes its place."""
    places.last.unlink(missing_ok=True)
    clear(places)


def clear(places: Places) -> None:
    """Remove what is in the parts' folder; run.json last, so that a kill on the way leaves a run that can go on."""
    names = sorted(places.parts.iterdir(), key=lambda path: path == places.run)
    for path in names:
        shutil.rmtree(path) if path.is_dir() else path.unlink()


def _is_still(path: Path, descriptor: int) -> bool:
    try:
        return os.path.samestat(path.stat(), os.fstat(descriptor))
    except FileNotFoundError:
        return False

"""The file of keys, read again when it changes: so keys come, rotate and go without a restart.

A file that cannot be read leaves the keys as they were, and the log says so once; a key is never in it.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable
from pathlib import Path

from services.chassis.keys import Key, matching, read_keys
from services.errors import Kind, MienError

LOG = logging.getLogger("mien.keys")
_LOOK_S = 1.0  # how often a call looks whether the file has changed

_Stamp = tuple[int, int, int]


class Keyring:
    """The keys of one file; for one event loop."""

    def __init__(
        self, path: Path, clock: Callable[[], float] = time.monotonic, calendar: Callable[[], float] = time.time
    ) -> None:
        """Read it.

        Raises:
            OSError: it cannot be read, or is not what it must be; the sentence says what to do.
        """
        self._path, self._clock, self._calendar = path, clock, calendar
        try:
            self._stamp = _stamp(path)
            self._keys = _read(path)
        except (OSError, ValueError) as error:
            raise OSError(f"MIEN_KEYS_FILE: {_reason(error)}.") from None
        self._looked_s = clock()

    def find(self, shown: str) -> Key:
        """The key that a caller shows.

        Raises:
            MienError: UNAUTHENTICATED, it is not one of them or has expired.
        """
        self._look()
        key = matching(self._keys, shown)
        if key is None:
            raise MienError(Kind.UNAUTHENTICATED, "This key is not known here; ask the operator for one.")
        return self._unexpired(key)

    def still(self, key: Key) -> Key:
        """The same key as it stands in the file now.

        Raises:
            MienError: UNAUTHENTICATED, it is gone or has expired.
        """
        self._look()
        for one in self._keys:
            if one.id == key.id and one.sha256 == key.sha256:
                return self._unexpired(one)
        raise MienError(Kind.UNAUTHENTICATED, "This key is no longer taken; ask the operator for another.")

    def ids(self) -> frozenset[str]:
        """Of all keys that there are."""
        return frozenset(key.id for key in self._keys)

    def _unexpired(self, key: Key) -> Key:
        if self._calendar() >= key.expires_s:
            raise MienError(Kind.UNAUTHENTICATED, "This key has expired; ask the operator for another.")
        return key

    def _look(self) -> None:
        now = self._clock()
        if now - self._looked_s < _LOOK_S:
            return
        self._looked_s, before = now, self._stamp
        try:
            stamp = _stamp(self._path)
            if stamp == self._stamp:
                return
            self._stamp = stamp
            self._keys = _read(self._path)
        except (OSError, ValueError) as error:
            if isinstance(error, OSError):  # tried again, but told once
                self._stamp = (0, 0, 0)
                if before == self._stamp:
                    return
            LOG.warning("the file of keys is not taken, the keys before it hold: %s", _reason(error))
            return
        LOG.info("the file of keys was read again: %d keys", len(self._keys))


def _read(path: Path) -> tuple[Key, ...]:
    return read_keys(path.read_text("utf-8"))


def _stamp(path: Path) -> _Stamp:
    """What changes with the file, also where a link is pointed elsewhere, as Kubernetes does it."""
    status = os.stat(path)  # noqa: PTH116 (the same)
    return status.st_mtime_ns, status.st_size, status.st_ino


def _reason(error: OSError | ValueError) -> str:
    if isinstance(error, OSError):
        return f"it cannot be read ({error.strerror})"
    return "it is not UTF-8" if isinstance(error, UnicodeDecodeError) else str(error)

"""Counters that every process of this machine sees at once: a file of `VIRAGE_HOME/run`, mapped into memory.

Reading one costs a fraction of a microsecond, so that what a process remembers can be compared with it at each request. They
live as long as the home: a process that is killed leaves them as they were.
"""

import fcntl
import mmap
import os
import threading
from collections.abc import Iterable
from pathlib import Path

from virage.core import settings

_guard = threading.Lock()
_maps: dict[Path, memoryview] = {}


class Counters:
    """So many unsigned counters of 64 bits, all 0 in a new home, in the file of this name."""

    def __init__(self, name: str, number: int) -> None:
        self.name = name
        self.number = number
        self._view: memoryview | None = None

    def view(self) -> memoryview:
        """The counters, to be read by their place."""
        return self._view if self._view is not None else self._opened()

    def advance(self, places: Iterable[int]) -> None:
        """One more at each of these places, whoever else is counting."""
        view = self._opened()
        with _guard, self._path().open("rb") as stream:
            fcntl.flock(stream, fcntl.LOCK_EX)
            for place in places:
                view[place] = (view[place] + 1) & 0xFFFFFFFFFFFFFFFF

    def _opened(self) -> memoryview:
        """Those of the home as it is set now: a test has several."""
        path = self._path()
        with _guard:
            if path not in _maps:
                _maps[path] = self._mapped(path)
            self._view = _maps[path]
        return self._view

    def _path(self) -> Path:
        return settings.folder("run") / self.name

    def _mapped(self, path: Path) -> memoryview:
        size = self.number * 8
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            # Allocated: to write where a full disk has no room for it would kill the process.
            os.posix_fallocate(descriptor, 0, size)
            return memoryview(mmap.mmap(descriptor, size)).cast("Q")
        finally:
            fcntl.flock(descriptor, fcntl.LOCK_UN)  # the map keeps a copy of the descriptor, and the lock with it
            os.close(descriptor)

"""A counter that every process of the machine sees at once: it moves when what a token is worth has changed.

Eight bytes in `VIRAGE_HOME/run/generation`, mapped into memory: reading it costs a fraction of a microsecond, so a remembered
token is compared with it at each request. Other machines learn within `tokens.ELSEWHERE` seconds, from the database.
"""

import fcntl
import mmap
import os
import struct
import threading
from pathlib import Path

from virage.core import settings

_SIZE = 8
_lock = threading.Lock()
_maps: dict[Path, mmap.mmap] = {}
_here: tuple[str | None, mmap.mmap] | None = None


def _mapped() -> mmap.mmap:
    global _here
    home = os.environ.get("VIRAGE_HOME")
    if _here is not None and _here[0] == home:
        return _here[1]
    path = settings.folder("run") / "generation"
    with _lock:
        if path not in _maps:
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX)
                if os.fstat(descriptor).st_size < _SIZE:
                    os.ftruncate(descriptor, _SIZE)
                _maps[path] = mmap.mmap(descriptor, _SIZE)
            finally:
                fcntl.flock(descriptor, fcntl.LOCK_UN)  # the map keeps a copy of the descriptor, and the lock with it
                os.close(descriptor)
        _here = (home, _maps[path])
        return _here[1]


def current() -> int:
    """The counter now."""
    return int(struct.unpack_from("<Q", _mapped())[0])


def advance() -> None:
    """Moves the counter: call it once what changed is committed."""
    mapped = _mapped()
    path = settings.folder("run") / "generation"
    with _lock, path.open("rb") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        struct.pack_into("<Q", mapped, 0, struct.unpack_from("<Q", mapped)[0] + 1)

"""What the kernel says of processes, so that a stale pid file is told from a living server."""

import ctypes
import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

_PROC = Path("/proc")


def exists(pid: int) -> bool:
    """Whether the number is taken, be it by a zombie that nobody has reaped."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True


def alive(pid: int) -> bool:
    """Whether the process exists and is not a zombie."""
    if not exists(pid):
        return False
    try:
        return (_PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (OSError, IndexError):
        return not _PROC.joinpath("self").exists() or _PROC.joinpath(str(pid)).exists()


def works_in(pid: int, folder: Path) -> bool:
    """Whether the living process `pid` is a PostgreSQL process of this data folder (PostgreSQL makes it its working folder)."""
    if not alive(pid):
        return False
    if not _PROC.joinpath("self").exists():
        return True  # no /proc on this system: trust the pid file
    try:
        return (_PROC / str(pid) / "cwd").readlink() == folder and "postgres" in (
            _PROC / str(pid) / "exe"
        ).readlink().name
    except OSError:
        return False


def all_in(folder: Path) -> list[int]:
    """Every living PostgreSQL process of this data folder: backends survive a killed server for a moment."""
    if not _PROC.joinpath("self").exists():
        return []
    return [int(path.name) for path in _PROC.iterdir() if path.name.isdecimal() and works_in(int(path.name), folder)]


def wait_gone(pid: int, seconds: float) -> bool:
    """Wait until the process has ended; false when it still lives after `seconds`."""
    deadline = time.monotonic() + seconds
    while alive(pid):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True


def end_with_parent(number: int = signal.SIGKILL) -> Callable[[], None]:
    """A function for the child's side of a fork: the kernel sends `number` to the child when its parent dies (Linux)."""
    if not sys.platform.startswith("linux"):
        return lambda: None
    prctl = ctypes.CDLL(None, use_errno=True).prctl
    return lambda: prctl(1, int(number), 0, 0, 0)  # 1 is PR_SET_PDEATHSIG

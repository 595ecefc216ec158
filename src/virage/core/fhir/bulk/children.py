"""Child processes that make the lines of an import ready, a piece at a time.

Each has a pipe of its own, whose other end only the child holds: when it dies, however it dies and in the middle of whatever
it was saying, the pipe ends and its piece fails. A pool whose children share one pipe waits for ever for the rest of a
message that a killed child had begun.
"""

import contextlib
import gc
import multiprocessing
import os
import queue
import signal
import threading
from concurrent.futures import Future, ThreadPoolExecutor
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from virage.core.fhir.bulk.preparing import Order, Piece, Ready
    from virage.core.fhir.index.registry import Known

_IDLE = 30
"""Seconds after which children that nobody asks for anything are let go."""
_REAPED_WITHIN = 5


class ChildLost(RuntimeError):
    """A child ended before it had made its piece ready; all are let go, the work may be asked for again."""


class _Child:
    def __init__(self) -> None:
        context = multiprocessing.get_context("spawn")
        self._pipe, theirs = context.Pipe()
        self.process: BaseProcess = context.Process(target=_work, args=(theirs,), name="import", daemon=True)
        self.process.start()
        theirs.close()

    def ask(self, known: "Known", order: "Order", piece: "Piece") -> "Ready":
        """What it makes of a piece. Raises ChildLost, or what was raised there."""
        try:
            self._pipe.send((known, order, piece))
            sound, told = self._pipe.recv()
        except (EOFError, OSError):
            raise ChildLost("a process that prepares an import terminated abruptly") from None
        if not sound:
            raise told
        ready: Ready = told
        return ready

    def end(self) -> None:
        """It touches no table: whatever it does may be cut short."""
        self.process.terminate()
        self.process.join(_REAPED_WITHIN)


class Pool:
    """So many children, and as many threads that speak with them."""

    def __init__(self, count: int) -> None:
        self.children = [_Child() for _ in range(count)]
        self._free: queue.SimpleQueue[_Child] = queue.SimpleQueue()
        for child in self.children:
            self._free.put(child)
        self._threads = ThreadPoolExecutor(count, "import")

    def submit(self, known: "Known", order: "Order", piece: "Piece") -> "Future[Ready]":
        """Ask for a piece, of whichever child is free first."""
        return self._threads.submit(self._ask, known, order, piece)

    def _ask(self, known: "Known", order: "Order", piece: "Piece") -> "Ready":
        child = self._free.get()
        try:
            return child.ask(known, order, piece)
        finally:
            self._free.put(child)

    def end(self) -> None:
        """Let the children go at once; what was asked of them fails."""
        self._threads.shutdown(wait=False, cancel_futures=True)
        for child in self.children:
            child.end()


class Children:
    """The pool of this process, kept from one slice of an import to the next and let go when it has been idle for a while."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._pool: Pool | None = None
        self._users = 0
        self._timer: threading.Timer | None = None

    @property
    def pids(self) -> list[int]:
        """The processes, as long as they are kept."""
        return [child.process.pid or 0 for child in self._pool.children] if self._pool else []

    def take(self, count: int) -> Pool:
        """The pool, for somebody who says when it is not needed any more (`leave`)."""
        with self._lock:
            if self._timer is not None:
                self._timer.cancel()
            if self._pool is not None and len(self._pool.children) != count and not self._users:
                self._close()
            if self._pool is None:
                self._pool = Pool(count)
            self._users += 1
            return self._pool

    def leave(self, broken: bool) -> None:
        """One user less; `broken` lets the children go at once."""
        with self._lock:
            self._users -= 1
            if broken:
                self._close()
            elif not self._users:
                self._timer = threading.Timer(_IDLE, self.close)
                self._timer.daemon = True
                self._timer.start()

    def close(self) -> None:
        """Let the children go, unless somebody asks something of them."""
        with self._lock:
            if not self._users:
                self._close()

    def _close(self) -> None:
        pool, self._pool = self._pool, None
        if pool is not None:
            pool.end()


def _work(pipe: Connection) -> None:
    """The life of a child: one piece after the other, until its parent lets it go or ends."""
    _begin()
    from virage.core.fhir.bulk import preparing
    from virage.core.fhir.index import registry

    with contextlib.suppress(EOFError, OSError):
        while True:
            known, order, piece = pipe.recv()
            told: tuple[bool, Any]
            try:
                registry.adopt(known)
                told = True, preparing.prepare(order, piece)
            except Exception as error:
                told = False, error
            pipe.send(told)


def _begin() -> None:
    """End with the parent whatever ends it, leave its signals to it, know the bases as it does."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()
    assert parent is not None

    def watch() -> None:
        parent.join()
        os._exit(0)

    threading.Thread(target=watch, name="parent", daemon=True).start()
    import django

    django.setup()
    gc.collect()
    gc.freeze()
    # What a piece needs lives until it is done: looking for garbage before finds nothing.
    gc.set_threshold(20_000, 20, 50)

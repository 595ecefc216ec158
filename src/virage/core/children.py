"""Child processes that do pieces of one kind of work, for a process that has more to do than one core can.

Each has a pipe of its own, whose other end only the child holds: when it dies, however it dies and in the middle of whatever
it was saying, the pipe ends and its piece fails. A pool whose children share one pipe (as that of the standard library) waits for
ever for the rest of a message that a killed child had begun.
"""

import contextlib
import multiprocessing
import os
import queue
import signal
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from typing import Any

_REAPED_WITHIN = 5


class ChildLost(RuntimeError):
    """A child ended before it had done its piece; the work may be asked for again, of other children."""


class _Child:
    def __init__(self, name: str, begin: Callable[[], None], work: Callable[..., Any]) -> None:
        context = multiprocessing.get_context("spawn")
        self._pipe, theirs = context.Pipe()
        self.process: BaseProcess = context.Process(target=_live, args=(theirs, begin, work), name=name, daemon=True)
        self.process.start()
        theirs.close()

    def ask(self, given: tuple[Any, ...]) -> Any:
        """What it answers. Raises ChildLost, or what was raised there."""
        try:
            self._pipe.send(given)
            sound, told = self._pipe.recv()
        except (EOFError, OSError):
            raise ChildLost("a child process terminated abruptly") from None
        if not sound:
            raise told
        return told

    def leave(self) -> None:
        """It ends as a program does, once it has done what was asked of it."""
        self._pipe.close()

    def end(self) -> None:
        """Whatever it does may be cut short: what it had not committed is undone."""
        self.process.terminate()
        self.process.join(_REAPED_WITHIN)


class Pool:
    """So many children, and as many threads that speak with them.

    `begin` is run once in each child, then `work` for each piece. Both are functions of modules that can be imported before `begin` was
    run. A child leaves signals to its parent, and ends with it whatever ends it.
    """

    def __init__(self, count: int, name: str, begin: Callable[[], None], work: Callable[..., Any]) -> None:
        self.children = [_Child(name, begin, work) for _ in range(count)]
        self._free: queue.SimpleQueue[_Child] = queue.SimpleQueue()
        for child in self.children:
            self._free.put(child)
        self._threads = ThreadPoolExecutor(count, name)

    def submit(self, *given: Any) -> "Future[Any]":
        """Ask for a piece, of whichever child is free first; `given` are the arguments of `work`."""
        return self._threads.submit(self._ask, given)

    def _ask(self, given: tuple[Any, ...]) -> Any:
        child = self._free.get()
        try:
            return child.ask(given)
        finally:
            self._free.put(child)

    def close(self) -> None:
        """Let the children go when all that was asked of them is done."""
        self._threads.shutdown()
        for child in self.children:
            child.leave()
        for child in self.children:
            child.process.join(_REAPED_WITHIN)
        self.end()

    def end(self) -> None:
        """Let the children go at once; what was asked of them fails."""
        self._threads.shutdown(wait=False, cancel_futures=True)
        for child in self.children:
            child.end()


def _live(pipe: Connection, begin: Callable[[], None], work: Callable[..., Any]) -> None:
    """The life of a child: one piece after the other, until its parent lets it go or ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()
    assert parent is not None

    def watch() -> None:
        parent.join()
        os._exit(0)

    threading.Thread(target=watch, name="parent", daemon=True).start()
    begin()
    with contextlib.suppress(EOFError, OSError):
        while True:
            given = pipe.recv()
            told: tuple[bool, Any]
            try:
                told = True, work(*given)
            except Exception as error:
                told = False, error
            pipe.send(told)

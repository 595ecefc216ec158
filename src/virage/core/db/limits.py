"""A limit to how long the statements of a piece of work may run, at no cost to the database: whoever exceeds it is cancelled."""

import os
import threading
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg

from virage.core.db.session import connection

_TICK = 0.5
_IDLE = 20


class TooLong(Exception):
    """The work was stopped at its limit."""


class _Work:
    __slots__ = ("deadline", "raw", "stopped")

    def __init__(self, deadline: float, raw: Any) -> None:
        self.deadline, self.raw = deadline, raw
        self.stopped = False


class _Watch:
    """One thread that looks after all the work under way in this process; it sleeps while there is none."""

    def __init__(self) -> None:
        self.change = threading.Condition()
        self.under_way: deque[_Work] = deque()
        self.awake = False

    def add(self, work: _Work) -> None:
        with self.change:
            self.under_way.append(work)
            if not self.awake:
                self.awake = True
                threading.Thread(target=self._look, name="db-limits", daemon=True).start()

    def remove(self, work: _Work) -> None:
        # Waits for a cancellation under way, so that it never falls on the next statement.
        with self.change:
            self.under_way.remove(work)

    def _look(self) -> None:
        idle = 0
        while True:
            with self.change:
                idle = 0 if self.under_way else idle + 1
                if idle > _IDLE:
                    self.awake = False
                    return
                for work in self.under_way:
                    if time.monotonic() > work.deadline:
                        work.stopped = True
                        _cancel(work.raw)
            time.sleep(_TICK)


def _cancel(raw: Any) -> None:
    try:
        raw.cancel_safe(timeout=2)
    except psycopg.Error:
        return  # the connection is closed, or the server is gone: there is nothing to stop


_watch = _Watch()
_own = threading.local()


def _afresh() -> None:
    global _watch
    _watch = _Watch()


os.register_at_fork(after_in_child=_afresh)


@contextmanager
def bounded(seconds: float) -> Iterator[None]:
    """Statements of this thread inside stop once it has taken so many seconds, give or take one; inside another, the outer one holds.

    Raises TooLong instead of the error of the statement that was cancelled. A transaction under way is then lost, as by any error.
    """
    if getattr(_own, "bounded", False):
        yield
        return
    work = _Work(time.monotonic() + seconds, connection().connection)
    watch = _watch
    _own.bounded = True
    watch.add(work)
    try:
        yield
    except psycopg.errors.QueryCanceled:
        if work.stopped:
            raise TooLong from None
        raise
    finally:
        _own.bounded = False
        watch.remove(work)

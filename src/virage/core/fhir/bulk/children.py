"""The child processes that make the lines of an import ready, kept from one slice of it to the next."""

import gc
import threading
from typing import TYPE_CHECKING

from virage.core.children import ChildLost, Pool

if TYPE_CHECKING:
    from virage.core.fhir.bulk.preparing import Order, Piece, Ready
    from virage.core.fhir.index.registry import Known

__all__ = ["ChildLost", "Children"]

_IDLE = 30
"""Seconds after which children that nobody asks for anything are let go."""


class Children:
    """The pool of this process, let go when it has been idle for a while."""

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
                self._pool = Pool(count, "import", _begin, _prepare)
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


def _begin() -> None:
    """A child knows the bases as its parent does."""
    import django

    django.setup()
    from virage.core.fhir.bulk import preparing  # noqa: F401  here rather than in the first piece

    gc.collect()
    gc.freeze()
    # What a piece needs lives until it is done: looking for garbage before finds nothing.
    gc.set_threshold(20_000, 20, 50)


def _prepare(known: "Known", order: "Order", piece: "Piece") -> "Ready":
    """Make a piece ready by what the parent knows of the index."""
    from virage.core.fhir.bulk import preparing
    from virage.core.fhir.index import registry

    registry.adopt(known)
    return preparing.prepare(order, piece)

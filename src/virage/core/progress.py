"""Progress of long work: one living line on a terminal, a line every few seconds elsewhere; nothing in the result."""

import sys
import time
from types import TracebackType


class Progress:
    """`with Progress("Citoyens", total) as progress: progress.add(100)`; `total` 0 where it is not known.

    Work that knows where it stands says `at(done)` instead; without `with`, `end()` shows the last line.
    """

    def __init__(self, label: str, total: int = 0, unit: str = "") -> None:
        self.label = label
        self.total = total
        self.unit = f" {unit}" if unit else ""
        self.done = 0
        self._begun = time.monotonic()
        self._terminal = sys.stderr.isatty()
        self._pause = 0.1 if self._terminal else 5.0
        self._next = self._begun + self._pause

    def add(self, count: int = 1) -> None:
        """`count` more are done."""
        self.at(self.done + count)

    def at(self, done: int) -> None:
        """`done` are behind us."""
        self.done = done
        now = time.monotonic()
        if now >= self._next:
            self._next = now + self._pause
            self._show("" if self._terminal else "\n")

    def end(self) -> None:
        """Show where it ended, and leave the line."""
        self._show("\n")

    def _show(self, end: str) -> None:
        seconds = time.monotonic() - self._begun
        share = f" / {self.total} ({100 * self.done // self.total} %)" if self.total else ""
        # What took no time has no speed.
        rate = f", {self.done / seconds:.0f}/s" if self.done and seconds >= 1 else ""
        begin = "\r\033[K" if self._terminal else ""
        print(f"{begin}{self.label} : {self.done}{share}{self.unit}{rate}", end=end, file=sys.stderr, flush=True)

    def __enter__(self) -> "Progress":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.done or kind is None:
            self.end()

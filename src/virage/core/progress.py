"""Progress of long work: one living line on a terminal, a line every few seconds elsewhere; nothing in the result."""

import sys
import time
from types import TracebackType


class Progress:
    """`with Progress("Citoyens", total) as progress: progress.add(100)`; `total` 0 where it is not known."""

    def __init__(self, label: str, total: int = 0) -> None:
        self.label = label
        self.total = total
        self.done = 0
        self._begun = time.monotonic()
        self._terminal = sys.stderr.isatty()
        self._pause = 0.1 if self._terminal else 5.0
        self._next = self._begun + self._pause

    def add(self, count: int = 1) -> None:
        """`count` more are done."""
        self.done += count
        now = time.monotonic()
        if now >= self._next:
            self._next = now + self._pause
            self._show("" if self._terminal else "\n")

    def _show(self, end: str) -> None:
        seconds = max(time.monotonic() - self._begun, 0.001)
        share = f" / {self.total} ({100 * self.done // self.total} %)" if self.total else ""
        begin = "\r\033[K" if self._terminal else ""
        print(
            f"{begin}{self.label} : {self.done}{share}, {self.done / seconds:.0f}/s",
            end=end,
            file=sys.stderr,
            flush=True,
        )

    def __enter__(self) -> "Progress":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.done or kind is None:
            self._show("\n")

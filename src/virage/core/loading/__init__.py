"""Loading of outside data: which kinds exist, what was refused and why.

A room registers its kinds from its `commands.py`; `virage load KIND PATH` runs them. Every loader streams, and the same input
twice changes nothing the second time.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import TextIO

from virage.core import settings
from virage.core.callers import Caller


@dataclass
class Report:
    """What a load did, counted in resources or lines; `rejects` is the file that says what was refused, line by line."""

    read: int = 0
    created: int = 0
    updated: int = 0
    unchanged: int = 0
    rejected: int = 0
    warnings: int = 0
    rejects: Path | None = None

    def sentence(self) -> str:
        """One French line for the person who launched the load."""
        text = (
            f"{self.read} lus, {self.created} créés, {self.updated} mis à jour, {self.unchanged} inchangés, "
            f"{self.rejected} rejetés, {self.warnings} avertissements."
        )
        return f"{text} Détail des rejets : {self.rejects}" if self.rejects and self.rejected + self.warnings else text


class Rejects:
    """The file of what was refused, `line<TAB>severity<TAB>reason<TAB>content`, under VIRAGE_HOME/rejects; gone when empty."""

    def __init__(self, kind: str, source: Path, report: Report) -> None:
        self.report = report
        self.path = settings.folder("rejects") / f"{kind}-{source.name}.tsv"
        self._file: TextIO | None = None

    def __enter__(self) -> "Rejects":
        self.path.unlink(missing_ok=True)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._file:
            self._file.close()
            self.report.rejects = self.path

    def reject(self, line: int, reason: str, content: str = "") -> None:
        """Line `line` of the input was refused."""
        self.report.rejected += 1
        self._write(line, "rejet", reason, content)

    def warn(self, line: int, reason: str, content: str = "") -> None:
        """Line `line` was taken, with something left out."""
        self.report.warnings += 1
        self._write(line, "avertissement", reason, content)

    def _write(self, line: int, severity: str, reason: str, content: str) -> None:
        if self._file is None:
            self._file = self.path.open("w", encoding="utf-8")
        self._file.write(f"{line}\t{severity}\t{reason}\t{content.rstrip()}\n")


Run = Callable[[Path, Caller], Report]


@dataclass(frozen=True)
class Loader:
    """A kind of outside data: `run(path, by)` loads it. `help` is one French line.

    `folders`: it reads a folder as a whole; otherwise its files are loaded one after the other.
    """

    kind: str
    help: str
    run: Run
    folders: bool = False


LOADERS: dict[str, Loader] = {}
"""Loaders by kind, filled by the `commands.py` of the rooms."""


def register(loader: Loader) -> None:
    """Make a kind known to `virage load`; registering the same kind again replaces it."""
    LOADERS[loader.kind] = loader

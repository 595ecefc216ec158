"""The rights matrix as data: which profession reads which type of document (`data/matrice.csv`)."""

import csv
from dataclasses import dataclass
from functools import cache
from importlib import resources

from virage.core.callers import Caller


@dataclass(frozen=True, slots=True)
class Cell:
    """One line: `allowed` for a profession (`*`: any other) and a type, a class (`class:10`) or everything (`*`)."""

    profession: str
    type: str
    allowed: bool
    source: str


@cache
def cells() -> tuple[Cell, ...]:
    """Every line of the table."""
    text = (resources.files("virage.services.dmp") / "data" / "matrice.csv").read_text(encoding="utf-8")
    rows = csv.DictReader((line for line in text.splitlines() if not line.startswith("#")), delimiter=";")
    return tuple(Cell(row["profession"], row["type"], row["lecture"] == "oui", row["source"]) for row in rows)


def profession_of(by: Caller) -> str:
    """The profession code without its table: `G15_10` and `10` are the same; empty when unknown."""
    return by.profession.strip().upper().removeprefix("G15_").partition("/")[0]


@dataclass(frozen=True, slots=True)
class Column:
    """What one profession reads: everything or nothing, but for these types and classes."""

    default: bool
    types: frozenset[str]
    classes: frozenset[str]

    def admits(self, type_: str, class_: str) -> bool:
        """Whether the profession reads a document of this type and class. A cell of a type is stronger than one of a class."""
        return self.default is not (type_ in self.types or class_ in self.classes)


@cache
def column(profession: str) -> Column:
    """The column of a profession; that of `*` for one the table does not name."""
    named = profession if any(cell.profession == profession for cell in cells()) else "*"
    mine = [cell for cell in cells() if cell.profession == named]
    default = next(cell.allowed for cell in mine if cell.type == "*")
    exceptions = [cell for cell in mine if cell.type != "*" and cell.allowed is not default]
    return Column(
        default,
        frozenset(cell.type for cell in exceptions if not cell.type.startswith("class:")),
        frozenset(cell.type.removeprefix("class:") for cell in exceptions if cell.type.startswith("class:")),
    )

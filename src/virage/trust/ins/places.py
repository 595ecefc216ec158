"""Birth places: communes of the COG (present, delegated, former), overseas, countries. Read once, when first asked for."""

import csv
import gzip
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from pathlib import Path

from virage.core import settings

_DATA = files("virage.trust.ins") / "data"


@dataclass(frozen=True, slots=True)
class Place:
    """A birth place.

    `nature` is A (commune), M (district of Paris, Lyon or Marseille), D or S (delegated or associated commune), F (former
    code), P (country); `attached_to` is the code of the commune that holds it now; `population` is 0 when not known.
    """

    code: str
    name: str
    nature: str
    department: str = ""
    region: str = ""
    attached_to: str = ""
    postal_code: str = ""
    population: int = 0


def _place(row: list[str]) -> Place:
    code, name, nature, department, region, attached_to, postal_code, population = row[:8]
    return Place(code, name, nature, department, region, attached_to, postal_code, int(population))


@lru_cache(maxsize=1)
def table() -> dict[str, Place]:
    """Every place by its code."""
    found: dict[str, Place] = {}
    text = gzip.decompress((_DATA / "communes.csv.gz").read_bytes()).decode()
    for row in csv.reader(text.splitlines()[2:], delimiter=";"):
        found[row[0]] = _place(row)
    for code, name in csv.reader((_DATA / "pays.csv").read_text("utf-8").splitlines()[2:], delimiter=";"):
        found[code] = Place(code, name, "P")
    return {**found, **supplement()}


def supplement_path() -> Path:
    """Where `virage load cog` keeps what it was given."""
    return settings.home() / "tables" / "places.csv"


def supplement() -> dict[str, Place]:
    """Places that were loaded on top of the committed ones, by code."""
    path = supplement_path()
    if not path.exists():
        return {}
    with path.open(encoding="utf-8", newline="") as file:
        return {row[0]: _place(row) for row in csv.reader(file, delimiter=";")}


def find(code: str) -> Place | None:
    """The place that bears this code of the COG, or None."""
    return table().get(code)


def label(code: str) -> str:
    """Name to show for a code; empty where the table does not hold it."""
    place = find(code)
    return place.name if place else ""

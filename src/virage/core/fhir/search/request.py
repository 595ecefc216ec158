"""A search as asked: parameters read into one value, before any of them is looked up. Pure."""

import re
from dataclasses import dataclass, field

from virage.core.access import Everything, Filter
from virage.core.fhir.search.errors import BadSearch, bad_modifier, bad_value

# Parameters that say how the answer is given: not conditions.
CONTROLS = frozenset(
    [
        "_count",
        "_sort",
        "_include",
        "_revinclude",
        "_total",
        "_summary",
        "_elements",
        "_format",
        "_pretty",
        "_contained",
        "_containedType",
        "_cursor",
        "_include:iterate",
        "_revinclude:iterate",
        "_include:recurse",
        "_revinclude:recurse",
        "_maxresults",
        "_score",
    ]
)
EVERYTHING = Everything()
DEFAULT_COUNT = 50
MAX_COUNT = 1000
_NAME = re.compile(r"([A-Za-z_][A-Za-z0-9_\-]*)(?::([A-Za-z\-]+))?")


@dataclass(frozen=True, slots=True)
class Include:
    """`_include=Observation:subject:Patient`: from which type, by which parameter (`*`: all), to which type ("" : any)."""

    source: str
    param: str
    target: str
    iterate: bool
    reverse: bool


@dataclass(slots=True)
class Request:
    """What was asked: (name, value) conditions, sort keys (name, descending), includes, page size, total.

    `contained` is the value of `_contained`; with `as_contained`, what is contained comes by itself, otherwise what contains it.
    `within` confines the matches, as a compartment does, and nothing that they lead to.
    """

    conditions: list[tuple[str, str]] = field(default_factory=list)
    sort: list[tuple[str, bool]] = field(default_factory=list)
    includes: list[Include] = field(default_factory=list)
    count: int = DEFAULT_COUNT
    total: bool = False
    contained: str = "false"
    as_contained: bool = False
    within: Filter = EVERYTHING
    used: list[tuple[str, str]] = field(default_factory=list)


def parse(params: list[tuple[str, str]]) -> Request:
    """Tell conditions from controls. Raises BadSearch on a control that cannot be understood."""
    asked = Request()
    for name, value in params:
        plain = name.partition(":")[0]
        if name not in CONTROLS and plain not in CONTROLS:
            asked.conditions.append((name, value))
            continue
        if name in ("_format", "_pretty", "_cursor"):
            continue
        asked.used.append((name, value))
        if ":" in name and name not in CONTROLS:
            raise bad_modifier(plain, name.partition(":")[2], "aucun" if "include" not in plain else ":iterate")
        if plain == "_count":
            asked.count = _count(value)
        elif plain == "_sort":
            asked.sort += [(each.lstrip("-"), each.startswith("-")) for each in value.split(",") if each.lstrip("-")]
        elif plain == "_total":
            if value not in ("none", "estimate", "accurate"):
                raise bad_value("_total", "les valeurs admises sont none, estimate et accurate.")
            asked.total = value != "none"
        elif plain == "_summary" and value == "count":
            asked.count, asked.total = 0, True
        elif plain == "_contained":
            if value not in ("true", "false", "both"):
                raise bad_value("_contained", "les valeurs admises sont true, false et both.")
            asked.contained = value
        elif plain == "_containedType":
            if value not in ("container", "contained"):
                raise bad_value("_containedType", "les valeurs admises sont container et contained.")
            asked.as_contained = value == "contained"
        elif plain in ("_include", "_revinclude"):
            asked.includes.append(_include(name, value))
    return asked


def _count(value: str) -> int:
    if not value.isascii() or not value.isdigit() or len(value) > 9:
        raise bad_value("_count", "un nombre entier positif ou nul est attendu.")
    return min(int(value), MAX_COUNT)


def _include(name: str, value: str) -> Include:
    reverse = name.startswith("_rev")
    iterate = name.endswith((":iterate", ":recurse"))
    parts = value.split(":")
    if value == "*":
        return Include("*", "*", "", iterate, reverse)
    if len(parts) not in (2, 3) or not all(parts):
        raise bad_value(name, "la forme attendue est « Type:paramètre » ou « Type:paramètre:Cible ».")
    return Include(parts[0], parts[1], parts[2] if len(parts) == 3 else "", iterate, reverse)


def name_and_modifier(name: str) -> tuple[str, str]:
    """`name:modifier` in its two parts. Raises BadSearch when it has not that form."""
    match = _NAME.fullmatch(name)
    if not match:
        raise BadSearch("Le nom d'un paramètre de recherche est mal formé.", path=name[:64])
    return match[1], match[2] or ""

"""Spaces: each FHIR base keeps its resources apart from the others, under a small number that is part of every key."""

from dataclasses import dataclass

from virage.core.fhir.index.keys import outside


@dataclass(frozen=True, slots=True)
class Space:
    """A FHIR base's place in the store: its name (`dmp`) and number."""

    name: str
    code: int


_spaces: dict[str, Space] = {"fhir": Space("fhir", 0)}


def space(name: str, code: int | None = None) -> Space:
    """The space of this name; with `code`, declares it. KeyError when nobody declared it, ValueError on a second number."""
    known = _spaces.get(name)
    if known is None:
        if code is None:
            from virage.core.fhir.service import SERVICES

            code = SERVICES[name].code
        if any(each.code == code for each in _spaces.values()):
            raise ValueError(f"the number {code} belongs to another space than {name!r}")
        known = _spaces[name] = Space(name, code)
    elif code is not None and known.code != code:
        raise ValueError(f"space {name!r} has the number {known.code}")
    return known


def by_code(code: int) -> Space:
    """The declared space of this number, or of that of what its resources contain. KeyError when there is none."""
    for each in _spaces.values():
        if each.code == outside(code):
            return each
    raise KeyError(code)

"""Operations, statements and guides: what they say of types, profiles and parameters is so."""

import functools
from collections.abc import Iterable
from typing import Any

from virage.core.fhir import definitions
from virage.core.fhir.validation import shapes
from virage.core.fhir.validation.items import Item, children
from virage.core.fhir.validation.session import Session
from virage.core.fhir.validation.shapes import Shape


def parameter(canonical: Any, session: Session) -> tuple[Any, set[str]] | None:
    """Type and bases of a search parameter, given here or of R4."""
    if type(canonical) is not str:
        return None
    own = _own_parameters().get(canonical.partition("|")[0])  # before the registry, which may have to ask a store
    if own is not None:
        return own.type, set(own.base)
    known = session.registry.find("SearchParameter", canonical)
    return None if known is None else (known.get("type"), {str(each) for each in known.get("base", ())})


@functools.cache
def _own_parameters() -> dict[str, definitions.SearchParam]:
    return {each.url: each for each in definitions.all_search_parameters()}


def capability_statement(item: Item, session: Session) -> None:
    """What a server announces of a type is of that type: its profiles, its search parameters."""
    for rest in children(item, "rest"):
        for resource in children(rest, "resource"):
            name = resource.value.get("type") if type(resource.value) is dict else None
            for element in ("profile", "supportedProfile"):
                _profiles(children(resource, element), name, session)
            for each in children(resource, "searchParam"):
                _search(each, name, session)


def _search(item: Item, name: Any, session: Session) -> None:
    line = item.value if type(item.value) is dict else {}
    known = parameter(line.get("definition"), session)
    if known is None:
        return
    kind, bases = known
    if kind != line.get("type"):
        text = f"Ce paramètre de recherche est défini de type {kind}, pas {line.get('type')}."
        session.add("invalid", text, item.place)
    if type(name) is str and bases and not any(definitions.is_a(name, each) for each in bases):
        session.add("invalid", f"Ce paramètre de recherche n'est pas défini pour {name}.", item.place, "warning")


def _profiles(items: Iterable[Item], name: Any, session: Session) -> None:
    """Profiles of this type of resource, as far as they are known here."""
    for each in items:
        source = session.registry.structure(each.value) if type(each.value) is str else None
        if source is not None and type(name) is str and not definitions.is_a(name, str(source.get("type"))):
            session.add("invalid", f"Ce profil porte sur {source.get('type')}, pas sur {name}.", each.place)


def guide(item: Item, session: Session) -> None:
    """The profile that a guide sets for all resources of a type is of that type."""
    for each in children(item, "global"):
        _profiles(children(each, "profile"), each.value.get("type") if type(each.value) is dict else None, session)


def operation(item: Item, session: Session) -> None:
    """Parameters of an operation: named once for each use, and possible as many times as they say."""
    if item.value.get("resource") is None and (item.value.get("type") or item.value.get("instance")):
        text = "Une opération sur un type ou une ressource dit lesquels (resource)."
        session.add("required", text, item.place, "warning")
    _parameters(item, "parameter", session)
    for use, element in (("in", "inputProfile"), ("out", "outputProfile")):
        for each in children(item, element):
            _agreed(item, use, each, session)


_ALLOWED = shapes.STRUCTURE + "operationdefinition-allowed-type"


def _agreed(item: Item, use: str, profile: Item, session: Session) -> None:
    """A profile of all the parameters does not conflict with their descriptions (R4, OperationDefinition.inputProfile)."""
    try:
        shape = shapes.shape_of(str(profile.value), session.registry)
    except shapes.BadProfile:
        return
    if shape.type_name != "Parameters":
        text = f"Ce profil porte sur {shape.type_name} : celui des paramètres d'une opération porte sur Parameters."
        session.add("invalid", text, profile.place)
        return
    described = [each for each in children(item, "parameter") if each.value.get("use") == use]
    _conflicts(described, shape.children.get("parameter"), session)


def _conflicts(described: list[Item], shape: Shape | None, session: Session) -> None:
    if shape is None or not shape.slices:
        return
    slices = {name: piece for piece in shape.slices.values() if (name := _name(piece))}
    closed = shape.slicing is not None and shape.slicing.get("rules") == "closed"
    for each in described:
        least, most, piece = each.value.get("min"), str(each.value.get("max")), slices.get(each.value.get("name"))
        if piece is None:
            if closed and most != "0":
                session.add("invalid", "Le profil des paramètres ne permet pas celui-ci.", each.place)
            continue
        if (most.isdecimal() and piece.min > int(most[:9])) or (
            piece.max is not None and type(least) is int and piece.max < least
        ):
            session.add("invalid", "Le profil des paramètres contredit le nombre de celui-ci (min, max).", each.place)
        types = [line.get("valueUri") for line in each.value.get("extension", ()) if line.get("url") == _ALLOWED]
        types = types or [each.value.get("type")]
        if types != [None] and not any(_holds(str(name), piece) for name in types):
            session.add("invalid", "Le profil des paramètres ne permet pas ce type pour celui-ci.", each.place)
        _conflicts(children(each, "part"), piece.children.get("part"), session)


def _name(piece: Shape) -> str:
    """The name of the parameters of a slice, where it fixes one."""
    child = piece.children.get("name")
    return str(child.fixed[1]) if child is not None and child.fixed is not None else ""


def _holds(name: str, piece: Shape) -> bool:
    """Whether a parameter under this shape may hold a value or a resource of this type."""
    is_resource = definitions.kind(name) == "resource"
    if not is_resource and (not definitions.kind(name) or name == "Element"):
        return True
    child = piece.children.get("resource" if is_resource else "value")
    if child is None:
        return True
    codes = {str(line.get("code")) for line in child.types or ()}
    return child.max != 0 and (
        not codes or any(definitions.is_a(name, each) or definitions.is_a(each, name) for each in codes)
    )


def _parameters(holder: Item, element: str, session: Session) -> None:
    seen: set[tuple[Any, Any]] = set()
    for each in children(holder, element):
        line = each.value if type(each.value) is dict else {}
        mark = (line.get("name"), line.get("use"))
        if mark in seen:
            session.add("duplicate", "Ce paramètre est déjà décrit : gardez-en un.", each.place)
        seen.add(mark)
        low, high = line.get("min"), line.get("max")
        if type(high) is str and high != "*":
            if not high.isdecimal():
                session.add("invalid", "max est un nombre ou *.", each.place)
            elif type(low) is int and low > int(high[:9]):
                session.add("invalid", "min dépasse max.", each.place)
        _parameters(each, "part", session)

"""Where in the JSON of a resource a FHIRPath expression leads: not the values, the places, so that they can be changed."""

import re
from dataclasses import dataclass
from typing import Any

from virage.core.fhir import definitions, patch

_STEP = re.compile(r"`?([A-Za-z_][A-Za-z0-9_]*)`?(?:\[(\d{1,6})\])?\Z")


@dataclass(slots=True)
class Place:
    """An element: the object that owns it, the JSON name there, its rank in a list (None when it is no list).

    `type` is the name of its definition, `choice` the FHIRPath name when JSON names it by its type (`value` for
    `valueQuantity`), `choice_of` the definition that has that choice. The resource itself has no owner.
    """

    owner: Any
    key: str
    index: int | None
    type: str
    value: Any
    choice: str = ""
    choice_of: str = ""


def locate(resource: dict[str, Any], path: str, where: str) -> list[Place]:
    """The places that a path designates. Raises PatchFailed or a FHIRPath error for what is not a path."""
    type = resource["resourceType"]
    steps = path.split(".")
    if any(_STEP.match(step) is None for step in steps):
        return _evaluated(resource, path, where)
    places = [Place(None, "", None, type, resource)]
    if steps[0] in (type, "Resource", "DomainResource", "$this"):
        steps = steps[1:]
    for step in steps:
        match = _STEP.match(step)
        assert match is not None
        places = [below for place in places for below in _children(place, match[1], where)]
        if match[2] is not None:
            rank = int(match[2])
            places = places[rank : rank + 1]
    return places


def _children(place: Place, name: str, where: str) -> list[Place]:
    if not isinstance(place.value, dict):
        return []
    try:
        element = definitions.element(place.type).children.get(name)
    except KeyError:
        element = None
    if element is None:
        raise patch.PatchFailed("Le chemin nomme un élément que ce type n'a pas.", path=where)
    found: list[Place] = []
    for key, ref in element.json.items():
        choice = name if element.choice else ""
        values = place.value.get(key)
        extras = place.value.get("_" + key)
        if values is None and extras is None:
            continue
        below = element.type_name(ref.code)
        if element.is_list:
            count = max(len(values or ()), len(extras or ()))
            padded = [*(values or ()), *[None] * (count - len(values or ()))]
            found += [
                Place(place.value, key, index, _actual(below, value), value) for index, value in enumerate(padded)
            ]
        else:
            found.append(Place(place.value, key, None, _actual(below, values), values, choice, place.type))
    return found


def _actual(type: str, value: Any) -> str:
    """A contained resource says itself what it is."""
    if isinstance(value, dict) and isinstance(value.get("resourceType"), str):
        return str(value["resourceType"])
    return type


def _evaluated(resource: dict[str, Any], path: str, where: str) -> list[Place]:
    """Any other FHIRPath expression: the evaluator tells the plain path of each result."""
    from virage.core.fhir import fhirpath

    found: list[Place] = []
    for item in fhirpath.compile(path).typed(resource):
        if not item.path:
            raise patch.PatchFailed("Le chemin calcule une valeur au lieu de désigner un élément.", path=where)
        found += locate(resource, item.path, where)
    return found

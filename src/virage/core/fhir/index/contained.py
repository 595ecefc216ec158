"""What the index keeps of contained resources: each has entries of its own, under keys of a space that stands for them. Pure."""

from typing import Any

from virage.core.fhir import definitions, json
from virage.core.fhir.index import keys
from virage.core.fhir.index.entries import Entries, Inside

MOST_INSIDE = 1023
"""So many contained resources are found, in their order."""


def add_contained(space: int, contained: list[Any], out: Entries) -> None:
    """Add what is indexed of the contained resources, each by itself, and the references of the whole to them."""
    from virage.core.fhir.index.registry import indexer

    places: dict[str, int] = {}
    held: list[Inside] = []
    for number, each in enumerate(contained[:MOST_INSIDE], 1):
        if type(each) is not dict or type(each.get("id")) is not str:
            continue
        type_ = each.get("resourceType")
        if type(type_) is not str or type_ not in definitions.resource_types():
            continue
        places.setdefault(each["id"], number)
        plain = {name: value for name, value in each.items() if name != "contained"}
        entries = indexer(space | keys.CONTAINED, type_).index(plain)
        key = keys.param_hash(space | keys.CONTAINED, type_, "_id")
        entries.tokens |= {
            (key ^ keys.value_hash(form)) & keys.MASK for form in (keys.present(), keys.any_system(each["id"]))
        }
        held.append(Inside(number, type_, each["id"], entries, json.dumps(plain)))
    for entries in (out, *(each.entries for each in held)):
        entries.tokens |= {keys.local(key, places[id_]) for key, id_ in entries.locals if id_ in places}
    if held:
        out.tokens.add(keys.HOLDS)
        out.inside = tuple(held)

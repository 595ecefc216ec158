"""FHIRPath Patch (R4 fhirpatch.html): add, insert, delete, replace, move, given as a Parameters resource."""

import copy
from dataclasses import dataclass
from typing import Any

from virage.core.errors import VirageError
from virage.core.fhir import definitions, patch
from virage.core.fhir.patch.places import Place, locate

_NEEDS = {
    "add": ("path", "name", "value"),
    "insert": ("path", "index", "value"),
    "delete": ("path",),
    "replace": ("path", "value"),
    "move": ("path", "source", "destination"),
}


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation. `value` is the parameter part that carries the value, of whatever type."""

    index: int
    type: str
    path: str
    name: str = ""
    value: dict[str, Any] | None = None
    at: int = 0
    source: int = 0
    destination: int = 0

    @property
    def where(self) -> str:
        """The path of the operation in the Parameters."""
        return f"Parameters.parameter[{self.index}]"


def parse(resource: dict[str, Any]) -> list[Operation]:
    """The operations of a Parameters resource. Raises MalformedPatch with the path of what is wrong."""
    if resource.get("resourceType") != "Parameters":
        raise patch.MalformedPatch("Un FHIRPath Patch est une ressource Parameters.", path="resourceType")
    parameters = resource.get("parameter", [])
    if not isinstance(parameters, list) or len(parameters) > patch.MOST_OPERATIONS:
        raise patch.MalformedPatch(
            f"Un patch a {patch.MOST_OPERATIONS} opérations au plus, dans un tableau.", path="Parameters.parameter"
        )
    return [_operation(index, parameter) for index, parameter in enumerate(parameters)]


def _operation(index: int, parameter: Any) -> Operation:
    where = f"Parameters.parameter[{index}]"
    if not isinstance(parameter, dict) or parameter.get("name") != "operation":
        raise patch.MalformedPatch("Chaque paramètre d'un patch s'appelle « operation ».", path=where)
    given = parameter.get("part", [])
    if not isinstance(given, list) or any(not isinstance(each, dict) for each in given):
        raise patch.MalformedPatch("« part » est un tableau d'objets.", path=f"{where}.part")
    parts = {part["name"]: part for part in given if isinstance(part.get("name"), str)}
    kind = _text(parts.get("type"))
    if kind not in _NEEDS:
        raise patch.MalformedPatch("« type » vaut add, insert, delete, replace ou move.", path=where)
    for name in _NEEDS[kind]:
        if name not in parts:
            raise patch.MalformedPatch(
                f"Une opération « {kind} » a besoin de « {name} ».", path=where, issue="required"
            )
    return Operation(
        index,
        kind,
        _text(parts.get("path")),
        _text(parts.get("name")),
        parts.get("value"),
        _number(parts.get("index"), where),
        _number(parts.get("source"), where),
        _number(parts.get("destination"), where),
    )


def _text(part: Any) -> str:
    values = [value for key, value in (part or {}).items() if key.startswith("value")]
    return values[0] if values and isinstance(values[0], str) else ""


def _number(part: Any, where: str) -> int:
    if part is None:
        return 0
    for key, value in part.items():
        if key.startswith("value") and isinstance(value, int | str) and str(value).isdecimal() and len(str(value)) < 10:
            return int(value)
    raise patch.MalformedPatch("Un rang est un entier positif ou nul.", path=where, issue="value")


def apply(resource: dict[str, Any], operations: list[Operation]) -> dict[str, Any]:
    """The patched resource. Raises PatchFailed (422) at the operation that does not apply."""
    patched = copy.deepcopy(resource)
    for operation in operations:
        try:
            _DO[operation.type](patched, operation)
        except VirageError as error:
            raise error.located(operation.where) from None
        _prune(patched)
    return patched


def _one(resource: dict[str, Any], operation: Operation) -> Place:
    found = locate(resource, operation.path, operation.where)
    if len(found) != 1:
        what = "ne désigne aucun élément" if not found else "désigne plusieurs éléments"
        raise patch.PatchFailed(f"Le chemin de l'opération {what}.", path=operation.where)
    return found[0]


def _add(resource: dict[str, Any], operation: Operation) -> None:
    place = _one(resource, operation)
    owner = place.value
    if not isinstance(owner, dict):
        raise patch.PatchFailed("On n'ajoute pas d'élément à une valeur simple.", path=operation.where)
    name, is_list, below = _property(place.type, operation)
    value, extra = _value(operation, below)
    if is_list:
        items = owner.setdefault(name, [])
        _pad(owner, name, len(items))
        items.append(value)
        if extra is not None or "_" + name in owner:
            owner.setdefault("_" + name, [None] * (len(items) - 1)).append(extra)
    elif name in owner:
        raise patch.PatchFailed("L'élément existe déjà : utilisez « replace ».", path=operation.where)
    else:
        _set(owner, name, value, extra)


def _insert(resource: dict[str, Any], operation: Operation) -> None:
    items, place = _list(resource, operation)
    if operation.at > len(items):
        raise patch.PatchFailed("Le rang dépasse la fin de la liste.", path=operation.where)
    value, extra = _value(operation, place.type)
    _pad(place.owner, place.key, len(items))
    items.insert(operation.at, value)
    if extra is not None or "_" + place.key in place.owner:
        place.owner.setdefault("_" + place.key, [None] * (len(items) - 1)).insert(operation.at, extra)


def _delete(resource: dict[str, Any], operation: Operation) -> None:
    found = locate(resource, operation.path, operation.where)
    if len(found) > 1:
        raise patch.PatchFailed("Le chemin de l'opération désigne plusieurs éléments.", path=operation.where)
    for place in found:
        if place.owner is None:
            raise patch.PatchFailed("Un patch ne supprime pas la ressource elle-même.", path=operation.where)
        if place.index is None:
            place.owner.pop(place.key, None)
            place.owner.pop("_" + place.key, None)
            continue
        for key in (place.key, "_" + place.key):
            if place.index < len(place.owner.get(key, ())):
                del place.owner[key][place.index]


def _replace(resource: dict[str, Any], operation: Operation) -> None:
    place = _one(resource, operation)
    if place.owner is None:
        raise patch.PatchFailed("Un patch ne remplace pas la ressource entière : utilisez PUT.", path=operation.where)
    name = place.key
    if place.choice:
        name = _choice_name(place.choice_of, place.choice, operation)
    value, extra = _value(operation, place.type)
    if place.index is not None:
        place.owner[name][place.index] = value
        extras = place.owner.get("_" + name)
        if extras and place.index < len(extras):
            extras[place.index] = extra
        return
    if name != place.key:
        place.owner.pop(place.key, None)
    place.owner.pop("_" + place.key, None)
    _set(place.owner, name, value, extra)


def _move(resource: dict[str, Any], operation: Operation) -> None:
    items, place = _list(resource, operation)
    if operation.source >= len(items) or operation.destination >= len(items):
        raise patch.PatchFailed("Le rang dépasse la fin de la liste.", path=operation.where)
    extras = place.owner.get("_" + place.key)
    _pad(place.owner, place.key, len(items))
    for values in (items, extras):
        if values:
            values.insert(operation.destination, values.pop(operation.source))


_DO = {"add": _add, "insert": _insert, "delete": _delete, "replace": _replace, "move": _move}


def _list(resource: dict[str, Any], operation: Operation) -> tuple[list[Any], Any]:
    """The list that a path without index designates."""
    found = locate(resource, operation.path, operation.where)
    owners = {(id(place.owner), place.key) for place in found}
    if len(owners) != 1 or found[0].index is None:
        raise patch.PatchFailed("Le chemin de l'opération ne désigne pas une liste présente.", path=operation.where)
    return found[0].owner[found[0].key], found[0]


def _pad(owner: Any, key: str, length: int) -> None:
    """Bring the list of extensions beside a list of primitives to its length, where there is one."""
    extras = owner.get("_" + key)
    if isinstance(extras, list):
        extras += [None] * (length - len(extras))


def _set(owner: dict[str, Any], name: str, value: Any, extra: Any) -> None:
    if value is not None:
        owner[name] = value
    if extra is not None:
        owner["_" + name] = extra


def _property(type: str, operation: Operation) -> tuple[str, bool, str]:
    """JSON name, whether it is a list, and type name, of the element to add."""
    name = operation.name.removesuffix("[x]")
    definition = definitions.element(type)
    element = definition.children.get(name)
    if element is None:
        found = definition.properties.get(name)
        if found is None:
            raise patch.PatchFailed("L'élément à ajouter n'existe pas dans ce type.", path=operation.where)
        return name, found[0].is_list, found[0].type_name(found[1].code)
    if element.choice:
        name = _choice_name(type, name, operation)
        return name, element.is_list, element.type_name(element.json[name].code)
    return name, element.is_list, element.type_name()


def _choice_name(type: str, name: str, operation: Operation) -> str:
    """`deceased` with a valueBoolean is written `deceasedBoolean`."""
    element = definitions.element(type).children[name]
    key = next((key for key in operation.value or {} if key.startswith("value")), "")
    wished = name + key.removeprefix("value")
    if wished not in element.json:
        raise patch.PatchFailed("Le type de la valeur n'est pas de ceux que l'élément admet.", path=operation.where)
    return wished


def _value(operation: Operation, type: str) -> tuple[Any, Any]:
    """The value a part carries, and its primitive extension; a part of parts makes a backbone element of `type`."""
    part = operation.value or {}
    for key, value in part.items():
        if key.startswith("value"):
            return copy.deepcopy(value), copy.deepcopy(part.get("_" + key))
        if key.startswith("_value") and key[1:] not in part:
            return None, copy.deepcopy(value)
    if "resource" in part:
        return copy.deepcopy(part["resource"]), None
    if "part" in part:
        return _built(part["part"], type, operation), None
    raise patch.PatchFailed("L'opération ne porte pas de valeur.", path=operation.where, issue="required")


def _built(parts: Any, type: str, operation: Operation) -> dict[str, Any]:
    built: dict[str, Any] = {}
    for part in parts if isinstance(parts, list) else []:
        if not isinstance(part, dict) or not isinstance(part.get("name"), str):
            raise patch.PatchFailed("Chaque partie d'une valeur a un nom.", path=operation.where, issue="required")
        inner = Operation(operation.index, "add", "", part["name"], part)
        name, is_list, below = _property(type, inner)
        value, extra = _value(inner, below)
        if is_list:
            built.setdefault(name, []).append(value)
        else:
            _set(built, name, value, extra)
    return built


def _prune(value: Any) -> bool:
    """Take out what a deletion emptied, which FHIR does not allow to stay; True when nothing is left."""
    if isinstance(value, dict):
        for key in [key for key, child in value.items() if isinstance(child, dict | list) and _prune(child)]:
            del value[key]
        return not value
    if isinstance(value, list):
        gone = [index for index, child in enumerate(value) if isinstance(child, dict) and _prune(child)]
        for index in reversed(gone):
            del value[index]
        return not value or all(child is None for child in value)
    return False

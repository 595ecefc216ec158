"""JSON Patch (RFC 6902), by `jsonpatch`, with a bound on what a patch may make of a resource."""

import copy
import re
from typing import Any

import jsonpatch
import jsonpointer

from virage.core.fhir import json, patch

_NEEDS = {
    "add": ("path", "value"),
    "replace": ("path", "value"),
    "test": ("path", "value"),
    "remove": ("path",),
    "move": ("path", "from"),
    "copy": ("path", "from"),
}
_POINTER = re.compile(r"(?:/(?:[^~/]|~[01])*)*\Z")

MOST_BYTES = 32 * 2**20  # `copy` can double a document at each step


def parse(value: Any) -> list[dict[str, Any]]:
    """The operations of a patch document. Raises MalformedPatch with the place of what is wrong."""
    if not isinstance(value, list):
        raise patch.MalformedPatch("Un JSON Patch est un tableau d'opérations.")
    if len(value) > patch.MOST_OPERATIONS:
        raise patch.MalformedPatch(f"Un patch a {patch.MOST_OPERATIONS} opérations au plus.")
    for index, operation in enumerate(value):
        if not _well_formed(operation):
            raise patch.MalformedPatch(
                "Cette opération n'est pas une opération JSON Patch bien formée (op, path, value ou from).",
                path=f"[{index}]",
            )
    return value


def _well_formed(operation: Any) -> bool:
    if not isinstance(operation, dict):
        return False
    needs = _NEEDS.get(str(operation.get("op")))
    if needs is None or any(name not in operation for name in needs):
        return False
    pointers = [operation[name] for name in ("path", "from") if name in needs]
    return all(isinstance(pointer, str) and _POINTER.match(pointer) for pointer in pointers)


def apply(resource: dict[str, Any], operations: list[dict[str, Any]]) -> dict[str, Any]:
    """The patched document. Raises PatchFailed (422) at the operation that does not apply."""
    document: Any = copy.deepcopy(resource)
    for index, operation in enumerate(operations):
        try:
            if operation["op"] == "test":
                _test(document, operation, index)
                continue
            document = jsonpatch.JsonPatch([copy.deepcopy(operation)]).apply(document, in_place=True)
        except patch.PatchFailed:
            raise
        except (
            jsonpatch.JsonPatchException,
            jsonpointer.JsonPointerException,
            TypeError,
            KeyError,
            IndexError,
            ValueError,
        ):
            raise patch.PatchFailed(
                "L'opération ne s'applique pas : l'endroit qu'elle désigne n'existe pas.", path=f"[{index}]"
            ) from None
        if operation["op"] == "copy" and len(json.dumps(document)) > MOST_BYTES:
            raise patch.PatchFailed("Le patch rend la ressource démesurée.", path=f"[{index}]", issue="too-long")
    if not isinstance(document, dict):
        raise patch.PatchFailed("Le patch ne laisse plus de ressource.")
    return document


def _test(document: Any, operation: dict[str, Any], index: int) -> None:
    found = jsonpointer.JsonPointer(operation["path"]).resolve(document)
    if not _same(found, operation["value"]):
        raise patch.PatchFailed("Le test échoue : la valeur présente n'est pas celle attendue.", path=f"[{index}]")


def _same(one: Any, other: Any) -> bool:
    """Equality of JSON values: true is not 1, numbers by value, members in any order."""
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(_same(value, other[key]) for key, value in one.items())
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(_same, one, other))
    return bool(one == other)

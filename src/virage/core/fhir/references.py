"""Where resources of one Bundle point at each other: finding the pointers, and writing the final addresses in."""

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from virage.core.fhir import definitions

_URI_TYPES = frozenset({"uri", "url", "canonical", "oid", "uuid"})
_LINK = re.compile(r"""(\b(?:href|src)\s*=\s*["'])([^"']+)(["'])""")
CONDITIONAL = re.compile(r"([A-Z][A-Za-z]{1,63})\?(.+)\Z", re.DOTALL)

Resolve = Callable[[str], str]


def rewrite(resource: Mapping[str, Any], resolve: Resolve, known: Mapping[str, str]) -> dict[str, Any]:
    """The resource with every Reference passed through `resolve`, and every uri and narrative link found in `known` replaced.

    `resolve` gets the text of a reference and gives the one to write. Texts that merely look alike (an identifier's value)
    stay. A Bundle inside is left alone: its entries point at each other in their own world.
    """
    return _object(resource, resource.get("resourceType", ""), resolve, known)


def _object(value: Mapping[str, Any], type: str, resolve: Resolve, known: Mapping[str, str]) -> dict[str, Any]:
    changed: dict[str, Any] | None = None
    for key, child in value.items():
        kind = child.__class__
        if kind is str:
            new: Any = _text(key, child, type, resolve, known)
        elif kind is dict:
            new = (
                child
                if child.get("resourceType") == "Bundle"
                else _object(child, _below(type, key, child), resolve, known)
            )
        elif kind is list:
            new = _array(key, child, type, resolve, known)
        else:
            continue
        if new is not child:
            if changed is None:
                changed = dict(value)
            changed[key] = new
    return changed if changed is not None else value  # type: ignore[return-value]


def _array(key: str, values: list[Any], type: str, resolve: Resolve, known: Mapping[str, str]) -> list[Any]:
    new = [
        _object(child, _below(type, key, child), resolve, known)
        if isinstance(child, dict) and child.get("resourceType") != "Bundle"
        else _text(key, child, type, resolve, known)
        if isinstance(child, str)
        else child
        for child in values
    ]
    return new if any(one is not other for one, other in zip(new, values, strict=True)) else values


def _text(key: str, text: str, type: str, resolve: Resolve, known: Mapping[str, str]) -> str:
    if key == "reference":
        return resolve(text) if text[:1] != "#" else text
    if key == "div":
        return _LINK.sub(lambda link: link[1] + known.get(link[2], link[2]) + link[3], text) if "<" in text else text
    if text in known and _holds_uri(type, key):
        return known[text]
    return text


def _below(type: str, key: str, child: Mapping[str, Any]) -> str:
    """The definition's name for the value under `key`; empty where the definitions do not follow."""
    given = child.get("resourceType")
    if isinstance(given, str):
        return given
    if not type:
        return ""
    try:
        found = definitions.element(type).properties.get(key)
    except KeyError:
        return ""
    return found[0].type_name(found[1].code) if found else ""


def _holds_uri(type: str, key: str) -> bool:
    try:
        found = definitions.element(type).properties.get(key) if type else None
    except KeyError:
        return False
    return found is not None and found[1].code in _URI_TYPES


def pointers(value: Any) -> Iterator[str]:
    """Every Reference text in a resource, contained pointers left out, without going into Bundles."""
    stack = [value]
    while stack:
        item = stack.pop()
        if isinstance(item, dict):
            for key, child in item.items():
                if key == "reference" and isinstance(child, str):
                    if child[:1] != "#":
                        yield child
                elif isinstance(child, dict):
                    if child.get("resourceType") != "Bundle":
                        stack.append(child)
                elif isinstance(child, list):
                    stack.append(child)
        elif isinstance(item, list):
            stack.extend(child for child in item if isinstance(child, dict | list))

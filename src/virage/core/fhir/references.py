"""Where resources of one Bundle point at each other: finding the pointers, and writing the final addresses in."""

import re
from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache
from typing import Any

from virage.core.fhir import definitions

_URI_TYPES = frozenset({"uri", "url", "canonical", "oid", "uuid"})
_LINK = re.compile(r"""(\b(?:href|src)\s*=\s*["'])([^"']+)(["'])""")
CONDITIONAL = re.compile(r"([A-Z][A-Za-z]{1,63})\?(.+)\Z", re.DOTALL)

Resolve = Callable[[str], str]


_LOCAL = re.compile(r"[A-Z][A-Za-z]{1,63}/[A-Za-z0-9.\-]{1,64}(?:/_history/[A-Za-z0-9.\-]{1,64})?")


def local(text: str, base: str) -> str:
    """A reference to a resource of the base at this address without the address; any other as it is."""
    if base and text.startswith(base + "/") and _LOCAL.fullmatch(text, len(base) + 1):
        return text[len(base) + 1 :]
    return text


def rewrite(resource: Mapping[str, Any], resolve: Resolve, known: Mapping[str, str]) -> dict[str, Any]:
    """The resource with every Reference passed through `resolve`, and every uri and narrative link found in `known` replaced.

    `resolve` gets the text of a reference and gives the one to write. Texts that merely look alike (an identifier's value)
    stay. A Bundle inside is left alone: its entries point at each other in their own world.
    """
    return _object(resource, resource.get("resourceType", ""), resolve, known)


def _object(value: Mapping[str, Any], type: str, resolve: Resolve, known: Mapping[str, str]) -> dict[str, Any]:
    changed: dict[str, Any] | None = None
    ways = _ways(type)
    for key, child in value.items():
        kind = child.__class__
        if kind is str:
            if key == "reference":
                new: Any = resolve(child) if child[:1] != "#" else child
            elif key == "div":
                new = _linked(child, known)
            elif child in known and ways.get(key) == _URI:
                new = known[child]
            else:
                continue
        elif kind is dict:
            new = _inside(key, child, ways, resolve, known)
        elif kind is list:
            new = _array(key, child, ways, resolve, known)
        else:
            continue
        if new is not child:
            if changed is None:
                changed = dict(value)
            changed[key] = new
    return changed if changed is not None else value  # type: ignore[return-value]


def _inside(
    key: str, child: dict[str, Any], ways: Mapping[str, str], resolve: Resolve, known: Mapping[str, str]
) -> Any:
    type = child.get("resourceType")
    if type == "Bundle":
        return child
    return _object(child, type if isinstance(type, str) else ways.get(key, ""), resolve, known)


def _array(
    key: str, values: list[Any], ways: Mapping[str, str], resolve: Resolve, known: Mapping[str, str]
) -> list[Any]:
    changed: list[Any] | None = None
    for place, child in enumerate(values):
        if isinstance(child, dict):
            new = _inside(key, child, ways, resolve, known)
        elif isinstance(child, str) and child in known and ways.get(key) == _URI:
            new = known[child]
        else:
            continue
        if new is not child:
            if changed is None:
                changed = list(values)
            changed[place] = new
    return changed if changed is not None else values


def _linked(text: str, known: Mapping[str, str]) -> str:
    return _LINK.sub(lambda link: link[1] + known.get(link[2], link[2]) + link[3], text) if "<" in text else text


_URI = "uri"


@lru_cache(maxsize=2048)
def _ways(type: str) -> Mapping[str, str]:
    """The definition's name for what is under each property of a type, `uri` for all its kinds; empty where it is unknown."""
    try:
        properties = definitions.element(type).properties if type else {}
    except KeyError:
        return {}
    return {
        key: _URI if ref.code in _URI_TYPES else element.type_name(ref.code)
        for key, (element, ref) in properties.items()
    }


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

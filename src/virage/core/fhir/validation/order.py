"""Findings in the order a reader meets their places."""

import re
from collections.abc import Mapping, Set
from functools import lru_cache
from typing import Any

from virage.core.errors import Issue
from virage.core.fhir import definitions

_SEGMENT = re.compile(r"([A-Za-z_][\w]*)(?:\.ofType\(([A-Za-z0-9]+)\))?(?:\[(\d+)\])?(?:\.|$)")
_AROUND = re.compile(r"Bundle\.(?:entry\[\d+\]|link\[\d+\](?:\.relation|\.url)?)")
Key = tuple[tuple[int, int], ...]
_AFTER = 9_000  # after what is below an element
_LAST = 10_000  # after the rank of any element


@lru_cache(4096)
def _rank(type_name: str, name: str) -> int:
    try:
        names = list(definitions.element(type_name).children)
    except KeyError:
        return 999
    return names.index(name) if name in names else 999


def by_place(
    issues: list[Issue],
    resource: Mapping[str, Any],
    unread: Set[Issue],
    late: Mapping[Issue, tuple[int, int]],
    closing: Set[Issue] = frozenset(),
) -> list[Issue]:
    """What concerns an element before what is below it, elements in the order of their definition.

    Before all, what could not be read as it should; after all, what is wrong between the entries and the links of a bundle. What is in
    `late` (depth of a resource in the path, turn) comes after all else that concerns that resource: its profiles in turn. What
    is in `closing`, the rules of a type, comes after what is below the element.
    """

    def key(issue: Issue) -> tuple[int, Key]:
        found = _key(issue.path, resource)
        if issue in closing:
            found = (*found, (_AFTER, 0))
        depth, turn = late.get(issue, (-1, 0))
        if depth >= 0:
            found = (*found[:depth], (_LAST + turn, 0), *found[depth:])
        return _turn(issue, unread), found

    return sorted(issues, key=key)


def _turn(issue: Issue, unread: Set[Issue]) -> int:
    if issue in unread:
        return 0
    return 2 if _AROUND.fullmatch(issue.path) else 1


def _key(path: str, resource: Mapping[str, Any]) -> Key:
    """Ranks along a path: of the element in its type, then of the occurrence."""
    found: list[tuple[int, int]] = []
    type_name = str(resource.get("resourceType", ""))
    value: Any = resource
    first = True
    for match in _SEGMENT.finditer(path):
        name, code, index = match.groups()
        if first:
            first = False
            continue
        position = int(index) if index else 0
        found.append((_rank(type_name, name), position))
        try:
            child = definitions.element(type_name).children.get(name)
        except KeyError:
            child = None
        type_name = child.type_name(code or "") if child is not None and (code or not child.choice) else ""
        value = value.get(name) if isinstance(value, Mapping) else None
        if index and isinstance(value, list):
            value = value[position] if position < len(value) else None
        if type_name == "Resource" and isinstance(value, Mapping):
            type_name = str(value.get("resourceType", ""))
    return tuple(found)

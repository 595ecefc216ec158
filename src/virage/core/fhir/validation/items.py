"""Elements of a resource as validation walks them: value, type, place, and the resource they stand in."""

from collections.abc import Mapping
from decimal import Decimal
from functools import lru_cache
from typing import Any, NamedTuple

from virage.core.fhir import definitions
from virage.core.fhir.validation.report import Place


class Frame:
    """A resource within its surroundings.

    `root` is the resource that contains it (itself unless contained); `bundle` the Bundle around, `full_url` its entry's;
    `outer` the frame of whatever holds it.
    """

    __slots__ = ("bundle", "full_url", "outer", "resource", "root")

    def __init__(
        self,
        resource: Mapping[str, Any],
        root: Mapping[str, Any] | None = None,
        bundle: Mapping[str, Any] | None = None,
        full_url: str = "",
        outer: "Frame | None" = None,
    ) -> None:
        self.resource = resource
        self.root = resource if root is None else root
        self.bundle = bundle
        self.full_url = full_url
        self.outer = outer


class Item:
    """One element. `type` is the name to give `definitions.element`; `twin` the `_x` object of a primitive."""

    __slots__ = ("frame", "place", "twin", "type", "value")

    def __init__(self, value: Any, twin: Any, type: str, place: Place, frame: Frame) -> None:
        self.value = value
        self.twin = twin
        self.type = type
        self.place = place
        self.frame = frame


def top(resource: Mapping[str, Any]) -> Item:
    """The resource itself as an item."""
    name = str(resource.get("resourceType", "Resource"))
    return Item(resource, None, name, (None, name, -1), Frame(resource))


class _Plan(NamedTuple):
    """Where the children of one FHIRPath name are in JSON: (name, its twin, type, name as shown)."""

    is_list: bool
    places: tuple[tuple[str, str, str, str], ...]


@lru_cache(8192)
def _plan(type_name: str, name: str) -> _Plan | None:
    try:
        child = definitions.element(type_name).children.get(name)
    except KeyError:
        return None
    if child is None:
        return None
    places = [
        (json, "_" + json, child.type_name(ref.code), f"{name}.ofType({ref.code})" if child.choice else name)
        for json, ref in child.json.items()
    ]
    return _Plan(child.is_list, tuple(places))


def children(item: Item, name: str) -> list[Item]:
    """The children of a FHIRPath name (`value`, not `value[x]`), in order."""
    data = item.value
    if type(data) is not dict:
        data = item.twin
        if type(data) is not dict:
            return []
    plan = _plan(item.type, name)
    found: list[Item] = []
    if plan is None:
        return found
    above = item.place
    for json_name, twin_name, target, shown in plan.places:
        value, twin = data.get(json_name), data.get(twin_name)
        if value is None and twin is None and json_name not in data and twin_name not in data:
            continue
        if not plan.is_list:
            found.append(_item(value, twin, target, (above, shown, -1), item))
        elif twin is None and type(value) is list:
            for index, one in enumerate(value):
                found.append(_item(one, None, target, (above, shown, index), item))
        else:
            values = value if type(value) is list else []
            twins = twin if type(twin) is list else []
            for index in range(max(len(values), len(twins))):
                one = values[index] if index < len(values) else None
                other = twins[index] if index < len(twins) else None
                found.append(_item(one, other, target, (above, shown, index), item))
    return found


def _item(value: Any, twin: Any, target: str, place: Place, parent: Item) -> Item:
    if target in ("Resource", "DomainResource"):
        frame = parent.frame
        name = value.get("resourceType") if type(value) is dict else None
        if type(name) is not str or definitions.kind(name) != "resource":
            return Item(value, None, "Resource", place, frame)
        if parent.type == "Bundle.entry":
            url = parent.value.get("fullUrl")
            frame = Frame(value, None, frame.resource, url if type(url) is str else "", frame)
        elif place[1] == "contained":
            frame = Frame(value, frame.root, frame.bundle, frame.full_url, frame)
        else:
            frame = Frame(value, None, None, "", frame)
        return Item(value, None, name, place, frame)
    return Item(value, twin, target, place, parent.frame)


def equal(left: Any, right: Any) -> bool:
    """Whether two JSON values are the same, decimals compared by value."""
    if type(left) is bool or type(right) is bool:
        return left is right
    if isinstance(left, int | float | Decimal) and isinstance(right, int | float | Decimal):
        return Decimal(str(left)) == Decimal(str(right))
    if type(left) is dict and type(right) is dict:
        return left.keys() == right.keys() and all(equal(left[key], right[key]) for key in left)
    if type(left) is list and type(right) is list:
        return len(left) == len(right) and all(equal(one, other) for one, other in zip(left, right, strict=True))
    return bool(left == right)


def matches(value: Any, pattern: Any) -> bool:
    """Whether a value holds everything that a pattern has; arrays match when each pattern item is found in them."""
    if type(pattern) is dict:
        return type(value) is dict and all(key in value and matches(value[key], part) for key, part in pattern.items())
    if type(pattern) is list:
        return type(value) is list and all(any(matches(each, part) for each in value) for part in pattern)
    return equal(value, pattern)


def mismatch(value: Any, wanted: Any, exact: bool) -> list[tuple[str, str]]:
    """Where a complex value departs from a fixed or pattern one: (path below, `missing`|`extra`|`different`)."""
    if type(wanted) is dict and type(value) is dict:
        found: list[tuple[str, str]] = []
        for key, part in wanted.items():
            if key not in value:
                found.append(("", "missing"))
            elif type(part) is dict or (type(part) is list and exact and len(part) == len(value[key])):
                if type(part) is list:
                    for index, (one, other) in enumerate(zip(value[key], part, strict=True)):
                        found += [(f".{key}[{index}]{below}", how) for below, how in mismatch(one, other, exact)]
                else:
                    found += [(f".{key}{below}", how) for below, how in mismatch(value[key], part, exact)]
            elif not (equal(value[key], part) if exact else matches(value[key], part)):
                found.append((f".{key}", "different"))
        if exact:
            found += [(f".{key}", "extra") for key in value if key not in wanted]
        return found
    if equal(value, wanted) if exact else matches(value, wanted):
        return []
    return [("", "different")]
